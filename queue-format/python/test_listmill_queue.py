"""Tests of the Python reader, writer and spool: `python3 -m unittest` in this directory."""

import contextlib
import io
import json
import os
import re
import signal
import tempfile
import unittest
from pathlib import Path

import listmill_queue as queue
import listmill_spool as spool
import make_vectors

HERE = Path(__file__).resolve().parent
VECTORS = HERE.parent / "vectors"
LATER = "2999-01-01T00:00:00Z"


def entry(**changes):
    return queue.Entry(make_vectors.head(**changes), make_vectors.POST, [make_vectors.recipient()])


def run(*arguments):
    """The exit code of the command line, and what it prints."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        return queue.main(arguments), printed.getvalue()


class Vectors(unittest.TestCase):
    def test_every_vector_agrees(self):
        self.assertEqual(run("vectors", str(VECTORS)), (0, "all vectors agree\n"))

    def test_every_proper_prefix_of_a_valid_vector_is_invalid(self):
        for path in VECTORS.glob("valid/*.entry"):
            data = path.read_bytes()
            for end in range(len(data)):
                with self.assertRaises(queue.Corrupt, msg=f"{path}: its first {end} bytes"):
                    queue.decode(data[:end])

    def test_the_vectors_are_what_make_vectors_makes(self):
        found = {path.relative_to(VECTORS).as_posix(): path.read_bytes() for path in VECTORS.glob("*valid/*")}
        made = make_vectors.files()
        self.assertEqual(sorted(found), sorted(made), "run make_vectors.py")
        self.assertEqual([name for name in made if made[name] != found[name]], [], "run make_vectors.py")

    def test_a_fault_in_a_vector_is_told(self):
        with tempfile.TemporaryDirectory() as directory:
            for name, data in make_vectors.files().items():
                if name.startswith(("valid/001", "invalid/001")):
                    path = Path(directory, name)
                    path.parent.mkdir(exist_ok=True)
                    path.write_bytes(data.replace(b"no-head", b"digest"))
            [fault] = queue.vector_faults(directory)
            self.assertTrue(fault.endswith("is no-head, not digest"), fault)


class Limits(unittest.TestCase):
    def test_a_line_1_beyond_its_limit(self):
        for size, word in ((queue.MAX_HEAD, "no-head"), (queue.MAX_HEAD + 1, "too-large")):
            with self.assertRaises(queue.Corrupt) as caught:
                queue.decode(b"{" * size)
            self.assertEqual(caught.exception.word, word)
        padding = queue.MAX_HEAD - len(queue.encode(entry(x="")).split(b"\n")[0])
        queue.decode(queue.encode(entry(x="x" * padding)))
        with self.assertRaises(queue.Corrupt):
            queue.encode(entry(x="x" * (padding + 1)))

    def test_what_cannot_be_read_is_not_written(self):
        for changes in ({"x": 1.5}, {"x": 2**53}, {"x": "\ud800"}, {"attempts": -1}, {"id": "x"}, {"x": make_vectors.nested(32)}):
            with self.assertRaises((queue.Corrupt, UnicodeEncodeError), msg=changes):
                queue.encode(entry(**changes))
        with self.assertRaises(queue.NewerVersion):
            queue.encode(entry(format="listmill/1.1"))


class Ids(unittest.TestCase):
    def test_derived_ids_are_those_of_the_specification(self):
        rows = re.findall(r"^\| `([0-9a-f-]{36})` \| `(\w+)` \| (\d+) \| `([0-9a-f-]{36})` \|$",
                          (HERE.parent / "SPEC.md").read_text(encoding="utf-8"), re.MULTILINE)
        self.assertGreaterEqual(len(rows), 3)
        for parent, stage, ordinal, derived in rows:
            self.assertEqual(queue.derive_id(parent, stage, int(ordinal)), derived)

    def test_a_derived_entry_keeps_what_it_is_about(self):
        derived = entry(attempts=3, not_before=LATER, priority="low", x=1).derive("pending", 0, "outbound")
        self.assertEqual(derived.head["id"], queue.derive_id(make_vectors.ID, "pending", 0))
        self.assertEqual(derived.head["x"], 1)
        self.assertEqual((derived.head["attempts"], derived.head["priority"]), (0, "normal"))
        self.assertNotIn("not_before", derived.head)
        self.assertEqual(queue.decode(queue.encode(derived)).recipients, [])


class Schemas(unittest.TestCase):
    """The schemas say what the readers say, as far as a schema can."""

    def setUp(self):
        self.schemas = {name: json.loads((HERE.parent / "schema" / f"{name}.schema.json").read_bytes())
                        for name in ("entry", "recipient")}

    def fits(self, schema, value, root):
        """As much of JSON Schema 2020-12 as our two schemas use."""
        types = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "null": type(None)}
        if "$ref" in schema:
            return self.fits(root["$defs"][schema["$ref"][len("#/$defs/"):]], value, root)
        if "anyOf" in schema:
            return any(self.fits(option, value, root) for option in schema["anyOf"])
        if "enum" in schema:
            return value in schema["enum"]
        allowed = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        if type(value) not in [types[name] for name in allowed]:
            return False
        if isinstance(value, str):
            return re.search(schema.get("pattern", "").replace("$", r"\Z"), value) is not None
        if isinstance(value, list):
            return all(self.fits(schema["items"], item, root) for item in value)
        if isinstance(value, dict):
            known, others = schema.get("properties", {}), schema["additionalProperties"]
            if not set(schema.get("required", [])) <= set(value):
                return False
            kinds = [(known.get(name, others), item) for name, item in value.items()]
            return all(kind is not False and self.fits(kind, item, root) for kind, item in kinds)
        return schema.get("minimum", 0) <= (value or 0) <= schema.get("maximum", 0) if type(value) is int else True

    def lines(self, data):
        line, rest = data.split(b"\n", 1)
        head = json.loads(line)
        return head, [json.loads(line) for line in rest[head["message"]["size"]:].splitlines()]

    def test_valid_vectors_fit(self):
        for path in VECTORS.glob("valid/*.entry"):
            head, recipients = self.lines(path.read_bytes())
            self.assertTrue(self.fits(self.schemas["entry"], head, self.schemas["entry"]), path)
            for recipient in recipients:
                self.assertTrue(self.fits(self.schemas["recipient"], recipient, self.schemas["recipient"]), path)

    def test_vectors_with_wrong_fields_do_not(self):
        beyond = ("arrived-on-no-day",)  # what no schema can say
        for path in VECTORS.glob("invalid/*-field-*.entry"):
            head = json.loads(path.read_bytes().split(b"\n")[0])
            if not path.stem.endswith(beyond):
                self.assertFalse(self.fits(self.schemas["entry"], head, self.schemas["entry"]), path)
        for path in VECTORS.glob("invalid/*-recipient-with*out-*.entry"):
            recipients = self.lines(path.read_bytes())[1]
            self.assertFalse(all(self.fits(self.schemas["recipient"], one, self.schemas["recipient"]) for one in recipients), path)


class Spools(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = Path(directory.name)
        self.spool = spool.Spool(self.path, "inbound")

    def names(self, directory):
        return sorted(os.listdir(self.path / "inbound" / directory))

    def test_an_entry_goes_in_and_out_once(self):
        self.spool.put(entry())
        self.spool.put(entry())
        self.assertEqual(len(self.names("new")), 1, "a repeat is left out")
        claim = self.spool.claim()
        self.assertEqual(claim.entry, entry())
        self.assertIsNone(spool.Spool(self.path, "inbound").claim(), "it is claimed")
        self.assertEqual(len(self.names("cur")), 1)
        self.spool.release(claim)
        self.assertIsNone(self.spool.claim())
        self.assertEqual([self.names(name) for name in spool.DIRECTORIES], [[]] * len(spool.DIRECTORIES))

    def test_classes_and_times_say_whose_turn_it_is(self):
        ids = [queue.derive_id(make_vectors.ID, "test", number) for number in range(5)]
        for id, priority in zip(ids, ("low", "normal", "high", "high", "high")):
            self.spool.put(entry(id=id, priority=priority))
        claims = [self.spool.claim() for _ in ids]
        self.assertEqual([ids.index(claim.entry.head["id"]) for claim in claims], [2, 3, 4, 0, 1], "the fourth is the oldest")
        for claim in claims:
            self.spool.release(claim)

    def test_the_entry_of_a_process_that_was_killed_is_taken_over(self):
        self.spool.put(entry())
        claimed, told = os.pipe()
        child = os.fork()
        if child == 0:
            claim = spool.Spool(self.path, "inbound").claim()
            os.write(told, b"1" if claim else b"0")
            signal.pause()
        self.assertEqual(os.read(claimed, 1), b"1")
        self.assertIsNone(self.spool.claim(), "its claimer lives")
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        claim = self.spool.claim()
        self.assertEqual(claim.entry, entry())
        self.spool.release(claim)
        os.close(claimed)
        os.close(told)

    def test_a_deferred_entry_waits_and_then_comes(self):
        self.spool.put(entry())
        claim = self.spool.claim()
        self.spool.defer(claim, entry(attempts=1, not_before=LATER))
        self.assertIsNone(self.spool.claim())
        [name] = self.names("deferred")
        self.assertEqual(name, f"{spool.micros(LATER):020}.5.{make_vectors.ID}")
        os.rename(self.path / "inbound/deferred" / name, self.path / "inbound/deferred" / ("0" * 20 + name[20:]))
        claim = self.spool.claim()
        self.assertEqual(claim.entry.head["attempts"], 1)
        self.spool.release(claim)

    def test_an_orphan_that_was_deferred_before_its_claimer_died_is_dropped(self):
        self.spool.put(entry())
        claim = self.spool.claim()
        [name] = self.names("cur")
        self.spool.defer(claim, entry(attempts=1, not_before=LATER))
        (self.path / "inbound/cur" / name).write_bytes(queue.encode(entry()))
        self.assertIsNone(self.spool.claim())
        self.assertEqual((self.names("cur"), len(self.names("deferred"))), ([], 1))

    def test_given_back_shunted_and_paused(self):
        self.spool.put(entry())
        (self.path / "inbound/paused").touch()
        self.assertIsNone(self.spool.claim())
        (self.path / "inbound/paused").unlink()
        self.spool.give_back(self.spool.claim())
        claim = self.spool.claim()
        self.spool.shunt(claim, "test", "why not")
        self.assertIsNone(self.spool.claim())
        shunted, why = self.names("shunt")
        self.assertEqual(why, f"{shunted}.why.json")
        self.assertEqual(json.loads((self.path / "inbound/shunt" / why).read_bytes())["reason"], "why not")

    def test_what_is_no_entry_is_set_aside_and_the_rest_flows(self):
        new = self.path / "inbound/new"
        place = f"1.{0:020}.01952f3a-7b40-7c11-8a5e-00000000000"
        (new / "README").write_text("hello")
        (new / f"{place}0").mkdir()
        os.mkfifo(new / f"{place}1")
        os.symlink("/etc/hostname", new / f"{place}2")
        (new / f"{place}3").write_bytes(queue.encode(entry())[:-1])
        (new / f"{place}4").write_bytes(queue.encode(entry()))
        self.spool.put(entry())
        claim = self.spool.claim()
        self.assertEqual(claim.entry, entry())
        self.spool.release(claim)
        self.assertEqual(self.names("new"), ["README"], "not yet looked at")
        self.assertIsNone(self.spool.claim())
        self.assertEqual((self.names("new"), len(self.names("corrupt"))), ([], 12), "each with its reason")

    def test_an_entry_of_a_newer_version_is_left_where_it_is(self):
        for number, data in enumerate((b'{"format":"listmill/2"}\n', make_vectors.entry(make_vectors.head(format="listmill/1.1")))):
            (self.path / f"inbound/new/5.{number:020}.{make_vectors.ID}").write_bytes(data)
        self.assertIsNone(self.spool.claim())
        self.assertEqual(len(self.names("new")), 2)

    def test_check_tells_every_entry_and_every_fault(self):
        self.spool.put(entry())
        claim = self.spool.claim()
        self.spool.put(entry(id=queue.derive_id(make_vectors.ID, "test", 0), not_before=LATER))
        code, printed = run("check", str(self.path))
        self.assertEqual((code, [line.split()[0] for line in printed.splitlines()]), (0, ["ok", "ok"]))
        self.spool.shunt(claim, "test", "why not")
        (self.path / "inbound/new/x").write_bytes(b"x")
        code, printed = run("check", str(self.path))
        self.assertEqual((code, sorted(line.split()[0] for line in printed.splitlines())), (1, ["fault", "ok", "ok"]))


class Instants(unittest.TestCase):
    def test_instants_of_entries_and_of_file_names(self):
        self.assertEqual(spool.micros("1970-01-01T00:00:01.5Z"), 1_500_000)
        self.assertEqual(spool.micros("2026-01-31T12:00:00.123456789Z"), 1769860800123456)
        self.assertTrue(queue.instant(spool.instant(spool.now())))
        self.assertEqual(spool.instant(spool.now().replace(year=2026, month=1, day=1, hour=0, minute=0, second=0, microsecond=0)),
                         "2026-01-01T00:00:00Z")


if __name__ == "__main__":
    unittest.main()
