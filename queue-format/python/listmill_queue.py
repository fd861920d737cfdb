#!/usr/bin/env python3
"""Message files of listmill (queue entries, format 1): read, check and write them.

SPEC.md in the directory above is normative and has the words used here. Standard library only, Python 3.9 or later:
copy this file into a runner of your own, and listmill_spool.py with it if the runner works on a disk spool.

    listmill_queue.py cat FILE...        line 1 in a form for people, the message, the recipients
    listmill_queue.py check DIR...       every entry below a spool: one line each; exit 0 if all of them decode
    listmill_queue.py rewrite FILE...    the entry, read and written again, on stdout
    listmill_queue.py vectors DIR...     whether this reader agrees with the vectors there; exit 0 if it does
"""

import base64
import dataclasses
import datetime
import hashlib
import json
import os
import re
import stat
import sys
import uuid
from pathlib import Path

VERSION = (1, 0)
MAX_HEAD, MAX_MESSAGE, MAX_RECIPIENTS = 1 << 20, 1 << 30, 1 << 26  # bytes
MAX_INTEGER, MAX_DEPTH = 2**53 - 1, 32
QUEUES = ("inbound", "auth", "moderation", "pending", "outbound", "bounce", "command")
RANK = {"high": 1, "normal": 5, "low": 9}


class Corrupt(ValueError):
    """Bytes that are not an entry. `word` is the word of SPEC.md; only `newer-major` is not corruption."""

    def __init__(self, word, reason):
        super().__init__(f"{word}: {reason}")
        self.word = word


class NewerVersion(ValueError):
    """The entry was written by a newer minor version: leave it to a newer runner."""


@dataclasses.dataclass
class Entry:
    """`head` is line 1 without `message` and `recipients`; unknown fields simply stay in it."""

    head: dict
    message: bytes = b""
    recipients: list = dataclasses.field(default_factory=list)

    def derive(self, stage, ordinal, queue):
        """The `ordinal`-th entry that `stage` writes from this one, bound for `queue`, without recipients."""
        head = {name: value for name, value in self.head.items() if name not in ("not_before", "expires")}
        head.update(id=derive_id(head["id"], stage, ordinal), queue=queue, priority="normal", attempts=0)
        return Entry(head, self.message, [])


# What line 1 and a recipient line are made of: a function says yes or no, [kind] is a list of it, a dict is an
# object whose names ending in "?" may be absent. An object may have other names besides.


def text(value):
    return isinstance(value, str)


def boolean(value):
    return isinstance(value, bool)


def number(limit=MAX_INTEGER):
    return lambda value: type(value) is int and 0 <= value <= limit


def word(*words):
    return lambda value: isinstance(value, str) and value in words


def match(pattern):
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def mapping(value):
    return isinstance(value, dict)


def instant(value):
    form = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?Z"
    if not match(form)(value) or not "1970" <= value < "9999":
        return False
    try:
        datetime.date.fromisoformat(value[:10])  # is there such a day?
        return True
    except ValueError:
        return False


CLIENT = {"address": text, "helo?": text, "protocol": text}
ENVELOPE = {
    "sender": text, "recipients": [text], "smtputf8?": boolean, "body?": word("7bit", "8bitmime"), "client?": CLIENT,
}
FACTS = {
    "subaddress?": {"word": text, "detail?": text},
    "author?": {"address": text, "name?": text},
    "author_doubt?": text,
    "authentication?": [{"authserv_id": text, "method": text, "result": text, "properties?": mapping}],
    "rules?": [{"rule": text, "reason": text}],
    "approved?": {"by": text, "at": instant},
    "cursor?": {"after": text, "page": number(2**32 - 1)},
}
HOP = {"runner": text, "host": text, "at": instant, "disposition": text, "reason?": text}
HEAD = {
    "format": text,
    "id": match("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "queue": word(*QUEUES),
    "arrived": instant,
    "list?": text,
    "priority?": word(*RANK),
    "attempts?": number(2**32 - 1),
    "not_before?": instant,
    "expires?": instant,
    "envelope": ENVELOPE,
    "facts?": FACTS,
    "trace?": [HOP],
    "message": {"size": number(), "sha256": match("[0-9a-f]{64}")},
    "recipients": {"count": number(), "size": number()},
}
OUTCOME = {"at": instant, "code": number(2**16 - 1), "status": text, "text": text}
RECIPIENT = {"address": text, "return_path": text, "headers?": [text], "outcome?": OUTCOME}


def wrong(kind, value, name):
    """The name of the first thing in `value` that is not of this kind, or None."""
    if callable(kind):
        return None if kind(value) else name
    if not isinstance(value, type(kind)):
        return name
    if isinstance(kind, list):
        parts = [(kind[0], item, f"{name}[{at}]") for at, item in enumerate(value)]
    else:
        lacking = [field for field in kind if field[-1] != "?" and field not in value]
        if lacking:
            return f"{name}.{lacking[0]}"
        names = [(field, field.rstrip("?")) for field in kind]
        parts = [(kind[field], value[bare], f"{name}.{bare}") for field, bare in names if bare in value]
    return next((found for part in parts if (found := wrong(*part))), None)


def depth(value):
    if not isinstance(value, (dict, list)):
        return 0
    return 1 + max(map(depth, value.values() if isinstance(value, dict) else value), default=0)


def parse_object(line):
    """The JSON object that the bytes `line` are, read as strictly as SPEC.md asks for."""
    twice = []

    def fields(pairs):
        if len(names := dict(pairs)) < len(pairs):
            twice.append(next(name for at, (name, _) in enumerate(pairs) if name in dict(pairs[:at])))
            return {f"{at} {name}": value for at, (name, value) in enumerate(pairs)}  # all still to be looked at
        return names

    def integer(digits):
        if re.fullmatch("0|-?[1-9][0-9]{0,15}", digits) and abs(int(digits)) <= MAX_INTEGER:
            return int(digits)
        return refuse(digits)

    def refuse(digits):
        raise ValueError(f"the number {digits[:40]} is not an integer below 2^53 written in digits alone")

    try:
        if line[:1] != b"{" or line[-1:] != b"}":
            raise ValueError("is not an object from its first byte to its last")
        value = json.loads(line.decode(), object_pairs_hook=fields, parse_int=integer, parse_float=refuse,
                           parse_constant=refuse)
        dump(value)  # raises on half a surrogate pair
        if depth(value) > MAX_DEPTH:
            raise ValueError(f"values nest deeper than {MAX_DEPTH}")
    except (ValueError, RecursionError) as error:
        raise Corrupt("json", error) from None
    if twice:
        raise Corrupt("duplicate-name", f"{twice[0]!r} stands twice in one object")
    return value


def dump(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def version(name):
    """(major, minor) of a `format`, or None. One spelling only: "listmill/1", not "listmill/1.0"."""
    if not match(r"listmill/[1-9][0-9]{0,4}(\.[1-9][0-9]{0,4})?")(name):
        return None
    major, _, minor = name[len("listmill/"):].partition(".")
    return (int(major), int(minor or 0)) if max(int(major), int(minor or 0)) < 2**16 else None


def decode_head(data):
    """All of line 1, `message` and `recipients` included, and where the message begins."""
    end = data.find(b"\n", 0, MAX_HEAD + 1)
    if end < 0:
        raise Corrupt("too-large", "line 1") if len(data) > MAX_HEAD else Corrupt("no-head", "line 1 does not end")
    head = parse_object(data[:end])
    if (found := version(head.get("format"))) is None:
        raise Corrupt("format", f"{head.get('format')!r} is not a version of this format")
    if found[0] != VERSION[0]:
        raise Corrupt("newer-major", f"{head['format']} is not known here: leave it to a newer runner")
    if field := wrong(HEAD, head, "line 1"):
        raise Corrupt("field", f"{field} is missing or not what it must be")
    if set(head["message"]) != {"size", "sha256"} or set(head["recipients"]) != {"count", "size"}:
        raise Corrupt("field", "message and recipients take no other fields")
    if head["message"]["size"] > MAX_MESSAGE or head["recipients"]["size"] > MAX_RECIPIENTS:
        raise Corrupt("too-large", "the message or the distribution list")
    return head, end + 1


def decode(data):
    """The Entry in these bytes, or Corrupt."""
    head, start = decode_head(data)
    message, recipients = head.pop("message"), head.pop("recipients")
    split = start + message["size"]
    if len(data) != split + recipients["size"]:
        raise Corrupt("size", f"{len(data) - start} bytes behind line 1, not {split + recipients['size'] - start}")
    if hashlib.sha256(data[start:split]).hexdigest() != message["sha256"]:
        raise Corrupt("digest", "the message is not the one that line 1 was written for")
    lines = data[split:].split(b"\n")
    if lines.pop():
        raise Corrupt("recipient", "the last line does not end")
    for at, line in enumerate(lines, 1):
        try:
            lines[at - 1] = parse_object(line)
        except Corrupt as error:
            raise Corrupt("recipient", f"line {at}: {error}") from None
        if field := wrong(RECIPIENT, lines[at - 1], f"line {at}"):
            raise Corrupt("recipient", f"{field} is missing or not what it must be")
    if len(lines) != recipients["count"]:
        raise Corrupt("count", f"{len(lines)} recipients, not {recipients['count']}")
    return Entry(head, data[start:split], lines)


def encode(entry):
    """The bytes of the message file of `entry`; what this returns, `decode` takes."""
    if (version(entry.head.get("format")) or VERSION) > VERSION:
        raise NewerVersion(f"{entry.head['format']} is newer than listmill/1: leave it to a newer runner")
    recipients = b"".join(dump(recipient) + b"\n" for recipient in entry.recipients)
    parts = {"message": {"size": len(entry.message), "sha256": hashlib.sha256(entry.message).hexdigest()},
             "recipients": {"count": len(entry.recipients), "size": len(recipients)}}
    data = dump({**entry.head, **parts}) + b"\n" + entry.message + recipients
    decode(data)
    return data


def derive_id(parent, stage, ordinal):
    """SPEC.md, "Derived ids": the parent's time, a hash of parent, stage and ordinal, marked as a UUID of version 8."""
    parent = uuid.UUID(parent).bytes
    digest = hashlib.sha256(parent + stage.encode() + b"\0" + ordinal.to_bytes(4, "big")).digest()
    raw = bytearray(parent[:6] + digest[:10])
    raw[6], raw[8] = raw[6] & 0x0F | 0x80, raw[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(raw)))


def read_file(path):
    """The bytes of a regular file; whatever else lies in a spool is not followed, not waited for and not read."""
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError("not a regular file")
        return file.read()


def cat(*paths):
    for path in paths:
        entry = decode(read_file(path))
        sys.stdout.buffer.write(json.dumps(entry.head, ensure_ascii=False, indent=2).encode() + b"\n\n" + entry.message)
        sys.stdout.buffer.writelines(dump(recipient) + b"\n" for recipient in entry.recipients)
    return 0


def rewrite(*paths):
    for path in paths:
        sys.stdout.buffer.write(encode(decode(read_file(path))))
    return 0


def check(*directories):
    faults = 0
    places = ("new", "cur", "deferred", "shunt")
    found = [path for directory in directories for path in Path(directory).rglob("*") if path.parent.name in places]
    for path in sorted(path for path in found if not path.name.endswith(".why.json")):
        try:
            entry = decode(read_file(path))
            print(f"ok {path} {entry.head['id']} {entry.head['queue']} {len(entry.recipients)} recipients")
        except FileNotFoundError:
            print(f"gone {path}")  # somebody serves this queue
        except (Corrupt, OSError) as error:
            faults += 1
            print(f"fault {path} {error}")
    return 1 if faults else 0


def vector_faults(directory):
    """What this reader has to say against the vectors, a line each."""
    for path in sorted(Path(directory, "valid").glob("*.entry")):
        data, view = path.read_bytes(), json.loads(path.with_suffix(".json").read_bytes())
        try:
            entry = decode(data)
            if (entry.head, entry.message) != (view["head"], base64.b64decode(view["message"])):
                yield f"{path}: line 1 or the message is read otherwise"
            if entry.recipients != view["recipients"]:
                yield f"{path}: the recipients are read otherwise"
            again = encode(entry)
            if view["rewrite"] == "refused" or (view["rewrite"] == "same" and again != data) or decode(again) != entry:
                yield f"{path}: is written otherwise"
        except NewerVersion:
            if view["rewrite"] != "refused":
                yield f"{path}: is not written"
        except Corrupt as error:
            yield f"{path}: {error}"
    for path in sorted(Path(directory, "invalid").glob("*.entry")):
        expected, found = path.with_suffix(".error").read_text(encoding="utf-8").split("\n")[0], "valid"
        try:
            decode(path.read_bytes())
        except Corrupt as error:
            found = error.word
        if found != expected:
            yield f"{path}: is {found}, not {expected}"


def vectors(*directories):
    faults = [fault for directory in directories for fault in vector_faults(directory)]
    print("\n".join(faults) or "all vectors agree")
    return 1 if faults else 0


def main(arguments):
    commands = {"cat": cat, "check": check, "rewrite": rewrite, "vectors": vectors}
    if len(arguments) < 2 or arguments[0] not in commands:
        print(__doc__, file=sys.stderr)
        return 64
    try:
        return commands[arguments[0]](*arguments[1:])
    except (Corrupt, NewerVersion, OSError) as error:
        print(f"listmill_queue: {error}", file=sys.stderr)
        return 65


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
