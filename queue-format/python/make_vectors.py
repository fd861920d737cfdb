#!/usr/bin/env python3
"""Writes the vectors of the message file: `make_vectors.py [DIR]`, by default into ../vectors.

Every vector is made here, from nothing but this text, so that a change of one is a change that can be read. A test
makes them again and fails when a byte differs. vectors/README.md says what the files mean.
"""

import base64
import hashlib
import json
import sys
from pathlib import Path

from listmill_queue import derive_id

ID = "01952f3a-7b40-7c11-8a5e-0123456789ab"
POST = (
    b"From: Bob <bob@example.net>\r\nTo: dev@lists.example.org\r\nSubject: A mill\r\n"
    b"Message-ID: <1@example.net>\r\nDate: Sat, 31 Jan 2026 12:00:00 +0000\r\n\r\nIt turns.\r\n"
)


def dump(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def head(**changes):
    """Line 1 as a writer puts it, without the sizes; a field given as None is left out."""
    fields = {
        "format": "listmill/1",
        "id": ID,
        "queue": "inbound",
        "arrived": "2026-01-31T12:00:01.25Z",
        "list": "dev@lists.example.org",
        "priority": "normal",
        "attempts": 0,
        "not_before": None,
        "expires": None,
        "envelope": {"sender": "bob@example.net", "recipients": ["dev@lists.example.org"]},
        "facts": {},
        "trace": [],
    }
    fields.update(changes)
    return {name: value for name, value in fields.items() if value is not None}


def sizes(message, lines):
    """The two fields that say what follows line 1."""
    return {
        "message": {"size": len(message), "sha256": hashlib.sha256(message).hexdigest()},
        "recipients": {"count": lines.count(b"\n"), "size": len(lines)},
    }


def lines_of(recipients):
    return "".join(dump(recipient) + "\n" for recipient in recipients).encode()


def entry(fields, message=POST, recipients=()):
    lines = lines_of(recipients)
    return dump({**fields, **sizes(message, lines)}).encode() + b"\n" + message + lines


def recipient(name="carol", **more):
    mark = hashlib.sha256(name.encode()).hexdigest()[:8]
    return {
        "address": f"{name}@example.com",
        "return_path": f"dev-bounces+{name}=example.com.{mark}@lists.example.org",
        **more,
    }


CLIENT = {"address": "192.0.2.7", "helo": "mx.example.net", "protocol": "LMTP"}
OUTCOME = {"at": "2026-01-31T12:05:00Z", "code": 550, "status": "5.1.1", "text": "no such person\nnor will there be"}
HOP = {"runner": "inbound", "host": "mx1", "at": "2026-01-31T12:00:02Z", "disposition": "forward"}
AUTHENTICATED = [
    {"authserv_id": "mx.example.org", "method": "dkim", "result": "pass", "properties": {"header.d": "example.net"}},
    {"authserv_id": "mx.example.org", "method": "spf", "result": "none"},
]


def valid():
    """name, how it is written again, line 1, message, recipients, bytes."""

    def same(name, fields, message=POST, recipients=()):
        return name, "same", fields, message, list(recipients), entry(fields, message, recipients)

    def outbound(name, *recipients, **changes):
        return same(name, head(queue="outbound", **changes), POST, recipients)

    def fact(name, queue, **facts):
        return same(name, head(queue=queue, facts=facts))

    def envelope(name, **changes):
        fields = {"sender": "bob@example.net", "recipients": ["dev@lists.example.org"], **changes}
        return same(name, head(envelope=fields, list=None))

    def respelled(name, line, fields, message=POST, lines=b"", recipients=()):
        end = dump(sizes(message, lines))[1:]
        return name, "equal", fields, message, list(recipients), line.encode() + b"," + end.encode() + b"\n" + message + lines

    yield same("smallest", head(list=None, envelope={"sender": "", "recipients": []}), b"")
    yield same("as-it-arrives", head(list=None, envelope={**head()["envelope"], "client": CLIENT}))
    yield envelope("eight-bit-body", body="8bitmime")
    yield envelope("smtputf8", sender="bøb@example.net", smtputf8=True)
    yield envelope("null-reverse-path", sender="", recipients=["dev-bounces@lists.example.org"])
    yield envelope("two-envelope-recipients", recipients=["dev@lists.example.org", "ops@lists.example.org"])
    yield envelope("local-client", client={"address": "local", "protocol": "local"})
    yield same("message-of-one-lf", head(), b"\n")
    yield same("message-without-final-line-end", head(), b"Subject: x\r\n\r\nno end")
    yield same("message-of-every-octet", head(), bytes(range(256)))
    yield same("message-with-bare-cr-and-lf", head(), b"Subject: x\n\nbare lf\nbare cr\rboth\r\n.\r\n")
    yield same("message-that-looks-like-an-entry", head(), entry(head(), b"inner", [recipient()]))
    yield same("message-that-ends-like-recipients", head(), lines_of([recipient()]), [recipient("dave")])
    yield outbound("one-recipient", recipient())
    yield outbound("a-page-of-recipients", *(recipient(f"member{number}") for number in range(12)))
    yield outbound("recipient-with-own-fields", recipient(headers=[
        "List-Unsubscribe: <mailto:dev-leave+aeaqk@lists.example.org>", "X-Folded: one\r\n two"]))
    yield outbound("recipient-with-null-reverse-path", {"address": "carol@example.com", "return_path": ""})
    yield outbound("international-recipient", recipient("дмитрий"), recipient("用户"))
    yield outbound("the-same-recipient-twice", recipient(), recipient())
    yield outbound("deferred", recipient(), attempts=3, not_before="2026-01-31T13:00:00Z", expires="2026-02-05T12:00:01Z")
    yield same("failed-delivery", head(queue="bounce"), POST, [recipient(outcome=OUTCOME)])
    yield same("no-reply-came", head(queue="outbound"), POST, [
        recipient(outcome={**OUTCOME, "code": 0, "status": "4.4.1", "text": "no answer"})])
    yield fact("subaddress", "command", subaddress={"word": "leave", "detail": "aeaqk"})
    yield fact("author", "moderation", author={"address": "bob@example.net", "name": "Bob \"the mill\" Müller"})
    yield fact("author-in-doubt", "moderation", author_doubt="two addresses in From:")
    yield fact("authentication-results", "moderation", authentication=AUTHENTICATED)
    yield fact("rules-that-hit", "pending", rules=[{"rule": "no-subject", "reason": "Subject: is empty"}])
    yield fact("approved", "pending", approved={"by": "alice@example.org", "at": "2026-01-31T12:30:00Z"})
    yield same("later-page-of-the-roster", head(
        id=derive_id(ID, "pending", 7), queue="pending", priority="low", facts={"cursor": {"after": "m@example.com", "page": 7}}))
    yield same("somebody-waits-for-it", head(queue="outbound", priority="high"))
    yield same("trace", head(queue="moderation", trace=[
        HOP, {**HOP, "runner": "auth", "host": "db1", "at": "2026-01-31T12:00:03.000000001Z", "reason": "dkim pass"}]))
    yield same("id-of-any-uuid-version", head(id="f47ac10b-58cc-4372-a567-0e02b2c3d479"))
    yield same("nil-id", head(id="00000000-0000-0000-0000-000000000000"))
    yield same("first-and-last-instant", head(arrived="1970-01-01T00:00:00Z", expires="9998-12-31T23:59:59.999999999Z"))
    yield same("leap-day", head(arrived="2028-02-29T23:59:59.5Z"))

    strange = {"n": None, "t": True, "f": False, "i": -1, "a": [1, "x", [], {}], "o": {"size": 1, "message": "", "": 0}}
    yield same("unknown-fields-everywhere", head(
        queue="bounce",
        envelope={**head()["envelope"], "client": {**CLIENT, "tls": strange}, "x-e": strange},
        facts={
            "subaddress": {"word": "leave", "x": 1},
            "author": {"address": "bob@example.net", "x": 2},
            "authentication": [{**AUTHENTICATED[0], "x": 3}],
            "rules": [{"rule": "no-subject", "reason": "", "x": 4}],
            "approved": {"by": "operator", "at": "2026-01-31T12:30:00Z", "x": 5},
            "cursor": {"after": "", "page": 0, "x": 6},
            "spam_score": strange,
        },
        trace=[{**HOP, "took_ms": 12}],
        **{"x-new": strange, "Ünknown": "kept"},
    ), POST, [recipient(outcome={**OUTCOME, "x": 8}, variables={"name": "Carol"})])
    yield same("unknown-fields-named-like-others", head(other={"other": 1}, **{"FORMAT": "x", "sender": 1, "address": []}))
    yield same("integers-at-their-ends", head(
        attempts=4294967295, least=-9007199254740991, most=9007199254740991,
        facts={"cursor": {"after": "", "page": 4294967295}}))
    yield same("as-deep-as-allowed", head(deep=nested(31)))
    yield same("strings-with-everything", head(
        text="\"\\/\b\f\n\r\t\x00\x01\x1f\x7f\x80\u2028\ufeff\uffff\U0001f3f3 end"))

    minor = head(format="listmill/1.7", hurry=True)
    yield "newer-minor-version", "refused", minor, POST, [recipient()], entry(minor, POST, [recipient()])

    start = dump(head())[:-1]
    yield respelled("white-space", start.replace('":', '" :\t').replace(',"', ' ,\r "'), head())
    yield respelled("escapes", start.replace("bob@", "b\\u006fb\\u0040").replace('"id"', '"\\u0069d"').replace("/1", "\\/1")
                    + ',"x":"\\ud83c\\udff3\\u00E9"', head(x="\U0001f3f3é"))
    yield respelled("defaults-left-out", dump(head(priority=None, attempts=None, facts=None, trace=None))[:-1],
                    head(priority=None, attempts=None, facts=None, trace=None))
    spelled = head(envelope={**head()["envelope"], "smtputf8": False, "body": "7bit", "client": {**CLIENT, "helo": ""}},
                   facts={"author": {"address": "bob@example.net", "name": ""}, "rules": [], "authentication": []})
    yield respelled("defaults-written-out", dump(spelled)[:-1], spelled)
    zeros = head(arrived="2026-01-31T12:00:01.250Z", expires="2026-02-05T12:00:01.000000000Z")
    yield respelled("instants-with-zeros-at-the-end", dump(zeros)[:-1], zeros)
    spaced = b'{ "return_path":"", "x":1, "address" : "carol@example.com" }\n'
    yield respelled("recipients-in-another-spelling", start, head(), POST, spaced, [json.loads(spaced)])
    backwards = dump(dict(reversed(list({**head(), **sizes(POST, b"")}.items())))).encode() + b"\n" + POST
    yield "fields-in-another-order", "equal", head(), POST, [], backwards


def nested(depth):
    value = []
    for _ in range(depth - 1):
        value = [value]
    return value


def invalid():
    """name, word, explanation, bytes."""
    good = entry(head(), POST, [recipient()])
    line, rest = good.split(b"\n", 1)

    yield "empty-file", "no-head", "", b""
    yield "line-1-does-not-end", "no-head", "", line
    yield "nothing-but-a-brace", "no-head", "", b"{"

    def bad_json(name, bad_line, why=""):
        return name, "json", why, (bad_line if isinstance(bad_line, bytes) else bad_line.encode()) + b"\n" + rest

    plain = line.decode()
    yield bad_json("line-1-empty", "")
    yield bad_json("not-json", "Return-Path: <bob@example.net>")
    yield bad_json("json-cut-short", plain[:-1])
    yield bad_json("an-array", f"[{plain}]")
    yield bad_json("line-1-ends-with-cr", plain + "\r", "line 1 ends with }, and only LF ends a line")
    yield bad_json("space-before-line-1", " " + plain)
    yield bad_json("byte-order-mark", b"\xef\xbb\xbf" + line)
    yield bad_json("two-objects", plain + plain)
    yield bad_json("comma-too-many", plain[:-1] + ",}")
    yield bad_json("single-quotes", plain.replace('"', "'"))
    yield bad_json("not-utf-8", line.replace(b"dev@", b"d\xe9v@"))
    yield bad_json("overlong-utf-8", line.replace(b"dev@", b"dev\xc0\x80@"))
    yield bad_json("surrogate-as-utf-8", line.replace(b"dev@", b"dev\xed\xa0\x80@"))
    yield bad_json("half-a-surrogate-pair", plain.replace("dev@", "dev\\ud83d@"))
    yield bad_json("control-character-in-a-string", plain.replace("dev@", "dev\t@"))
    yield bad_json("unknown-escape", plain.replace("dev@", "dev\\x40"))
    for name, number in {
        "integer-as-fraction": "0.0", "integer-with-exponent": "0e0", "minus-zero": "-0", "leading-zero": "00",
        "plus-sign": "+0", "not-a-number": "NaN", "infinite": "Infinity", "infinite-by-exponent": "1e999",
    }.items():
        yield bad_json(name, plain.replace('"attempts":0', f'"attempts":{number}'))
    yield bad_json("fraction-in-an-unknown-field", plain[:-1] + ',"x":[{"y":1.5}]}')
    yield bad_json("integer-above-2-53", plain[:-1] + ',"x":9007199254740992}')
    yield bad_json("integer-below-minus-2-53", plain[:-1] + ',"x":-9007199254740992}')
    yield bad_json("integer-above-2-64", plain[:-1] + ',"x":18446744073709551616}')
    yield bad_json("too-deep", plain[:-1] + f',"x":{dump(nested(32))}}}', "line 1 itself is the first level")
    yield bad_json("far-too-deep", plain[:-1] + ',"x":' + "[" * 2000 + "]" * 2000 + "}")
    yield bad_json("json-fault-before-duplicate-name", plain[:-1] + ',"x":1,"x":2.5}', "what is not JSON goes first")

    def twice(name, bad_line):
        return name, "duplicate-name", "", bad_line.encode() + b"\n" + rest

    yield twice("id-twice", plain[:-1] + f',"id":"{ID}"}}')
    yield twice("unknown-name-twice", plain[:-1] + ',"x":1,"x":1}')
    yield twice("name-twice-by-escape", plain[:-1] + ',"queu\\u0065":"inbound"}')
    yield twice("envelope-sender-twice", plain.replace('{"sender"', '{"sender":"eve@example.com","sender"'))
    yield twice("name-twice-far-inside", plain[:-1] + ',"x":[{"y":{"z":1,"z":2}}]}')
    yield twice("name-twice-inside-the-one-that-loses", plain[:-1] + ',"x":{"y":1,"y":2},"z":0}')

    def changed(name, word, why="", **changes):
        return name, word, why, entry(head(**changes), POST, [recipient()])

    yield changed("format-missing", "format", format=None)
    for name, value in {
        "format-a-number": 1, "format-of-somebody-else": "mailmill/1", "format-without-version": "listmill/",
        "format-with-zero-minor": "listmill/1.0", "format-with-leading-zero": "listmill/01", "format-version-0": "listmill/0",
        "format-with-three-numbers": "listmill/1.2.3", "format-number-too-large": "listmill/65536",
        "format-with-line-end": "listmill/1\n",
    }.items():
        yield changed(name, "format", format=value)
    yield changed("newer-major-version", "newer-major", "not corrupt: a newer runner reads it", format="listmill/2")
    yield ("newer-major-version-with-other-fields", "newer-major", "nothing but format is looked at",
           b'{"format":"listmill/2.1","Id":7}\nwhatever')

    def field(name, why="", **changes):
        return changed(f"field-{name}", "field", why, **changes)

    yield field("id-missing", id=None)
    yield field("id-upper-case", id=ID.upper())
    yield field("id-without-hyphens", id=ID.replace("-", ""))
    yield field("id-in-braces", id="{" + ID + "}")
    yield field("id-a-path", id="../../../../../../../../../../../etc/p")
    yield field("queue-missing", queue=None)
    yield field("queue-unknown", queue="outbox")
    yield field("queue-an-object", "serde's other form of a word", queue={"inbound": {}})
    yield field("arrived-missing", arrived=None)
    for name, value in {
        "a-number": 1769860801, "with-offset": "2026-01-31T13:00:01+01:00", "with-zero-offset": "2026-01-31T12:00:01+00:00",
        "in-lower-case": "2026-01-31t12:00:01z", "with-a-space": "2026-01-31 12:00:01Z", "without-seconds": "2026-01-31T12:00Z",
        "with-a-leap-second": "2026-06-30T23:59:60Z", "at-hour-24": "2026-01-31T24:00:00Z", "on-no-day": "2026-02-29T12:00:00Z",
        "with-ten-digits": "2026-01-31T12:00:01.0123456789Z", "with-empty-fraction": "2026-01-31T12:00:01.Z",
        "before-1970": "1969-12-31T23:59:59Z", "after-9998": "9999-01-01T00:00:00Z", "with-line-end": "2026-01-31T12:00:01Z\n",
    }.items():
        yield field(f"arrived-{name}", arrived=value)
    yield field("priority-unknown", priority="urgent")
    yield field("priority-a-number", priority=5)
    yield field("attempts-negative", attempts=-1)
    yield field("attempts-too-large", attempts=4294967296)
    yield field("attempts-a-string", attempts="0")
    yield field("attempts-true", "which some languages take for 1", attempts=True)
    yield field("list-a-number", list=7)
    yield field("not-before-empty", not_before="")
    yield field("envelope-missing", envelope=None)
    yield field("envelope-an-array", envelope=["bob@example.net", []])
    around = head()["envelope"]
    yield field("envelope-without-sender", envelope={"recipients": []})
    yield field("envelope-sender-null", "the null reverse-path is the empty string", envelope={**around, "sender": None})
    yield field("envelope-recipients-a-string", envelope={**around, "recipients": "dev@lists.example.org"})
    yield field("envelope-recipients-with-null", envelope={**around, "recipients": [None]})
    yield field("smtputf8-a-string", envelope={**around, "smtputf8": "true"})
    yield field("body-unknown", envelope={**around, "body": "binarymime"})
    yield field("client-without-address", envelope={**around, "client": {"protocol": "LMTP"}})
    yield field("client-null", envelope={**around, "client": None})
    yield field("facts-an-array", facts=[])
    yield field("author-null", "an absent field is absent", facts={"author": None})
    yield field("author-without-address", facts={"author": {"name": "Bob"}})
    yield field("rules-with-a-word", facts={"rules": ["no-subject"]})
    yield field("authentication-properties-an-array", facts={"authentication": [{**AUTHENTICATED[1], "properties": []}]})
    yield field("approved-without-instant", facts={"approved": {"by": "operator"}})
    yield field("cursor-page-too-large", facts={"cursor": {"after": "", "page": 4294967296}})
    yield field("trace-an-object", trace=HOP)
    yield field("hop-without-disposition", trace=[{name: HOP[name] for name in ("runner", "host", "at")}])
    yield field("hop-reason-null", trace=[{**HOP, "reason": None}])
    for name in ("list", "priority", "attempts", "not_before", "facts", "trace"):
        bare = head(**{name: None})
        yield f"field-{name.replace('_', '-')}-null", "field", "null is not absent", entry({**bare, name: None}, POST, [recipient()])

    def sized(name, word, message=None, recipients=None, why=""):
        lines = lines_of([recipient()])
        whole = sizes(POST, lines)
        parts = {"message": {**whole["message"], **(message or {})}, "recipients": {**whole["recipients"], **(recipients or {})}}
        return name, word, why, dump({**head(), **parts}).encode() + b"\n" + POST + lines

    yield "field-message-missing", "field", "", dump({**head(), "recipients": {"count": 0, "size": 0}}).encode() + b"\n"
    yield "field-recipients-missing", "field", "", dump({**head(), "message": sizes(b"", b"")["message"]}).encode() + b"\n"
    yield ("field-message-an-array", "field", "",
           dump({**head(), **sizes(b"", b""), "message": list(sizes(b"", b"")["message"].values())}).encode() + b"\n")
    yield sized("field-message-with-unknown-name", "field", {"lines": 3}, why="message and recipients take no unknown names")
    yield sized("field-recipients-with-unknown-name", "field", None, {"lines": 3})
    yield sized("field-size-negative", "field", {"size": -1})
    yield sized("field-size-a-string", "field", {"size": str(len(POST))})
    yield sized("field-digest-upper-case", "field", {"sha256": hashlib.sha256(POST).hexdigest().upper()})
    yield sized("field-digest-too-short", "field", {"sha256": hashlib.sha256(POST).hexdigest()[:-2]})
    yield sized("message-above-its-limit", "too-large", {"size": 1073741825})
    yield sized("recipients-above-their-limit", "too-large", None, {"size": 67108865})
    yield sized("size-too-small", "size", {"size": len(POST) - 1})
    yield sized("size-too-large", "size", {"size": len(POST) + 1})
    yield sized("recipients-size-too-large", "size", None, {"size": 1000})
    yield "message-cut-short", "size", "", line + b"\n" + POST[:20]
    yield "last-byte-missing", "size", "", good[:-1]
    yield "byte-behind-the-end", "size", "", good + b"\n"
    yield "two-entries-in-a-file", "size", "", good + good
    yield "message-changed", "digest", "", good.replace(b"It turns.", b"It burns.")
    yield "digest-of-another-message", "digest", "", good.replace(hashlib.sha256(POST).hexdigest().encode(), b"0" * 64)
    wide = POST + lines_of([recipient()])
    yield sized("message-reaches-into-the-recipients", "digest", {"size": len(wide)}, {"count": 0, "size": 0})

    def bad_list(name, lines, count=1, word="recipient", why=""):
        lines = lines if isinstance(lines, bytes) else lines.encode()
        parts = sizes(POST, lines)
        parts["recipients"]["count"] = count
        return name, word, why, dump({**head(queue="outbound"), **parts}).encode() + b"\n" + POST + lines

    def bad_recipient(name, **changes):
        fields = {name: value for name, value in {**recipient(), **changes}.items() if value != "absent"}
        return bad_list(f"recipient-{name}", dump(fields) + "\n")

    whole = dump(recipient())
    yield bad_list("recipient-not-json", "carol@example.com\n")
    yield bad_list("recipient-a-string", '"carol@example.com"\n')
    yield bad_list("recipient-line-empty", whole + "\n\n", 2)
    yield bad_list("recipient-line-without-end", whole, why="the last line ends with LF too")
    yield bad_list("recipient-line-with-crlf", whole + "\r\n")
    yield bad_list("recipient-with-a-space-before", " " + whole + "\n")
    yield bad_list("recipient-two-in-a-line", whole + whole + "\n", 2)
    yield bad_list("recipient-name-twice", whole[:-1] + ',"address":"eve@example.com"}\n')
    yield bad_list("recipient-name-twice-inside", whole[:-1] + ',"x":{"y":1,"y":1}}\n')
    yield bad_list("recipient-with-fraction", whole[:-1] + ',"x":0.5}\n')
    yield bad_list("recipient-not-utf-8", whole.encode().replace(b"carol", b"c\xffrol") + b"\n")
    yield bad_recipient("without-address", address="absent")
    yield bad_recipient("without-return-path", return_path="absent")
    yield bad_recipient("return-path-null", return_path=None)
    yield bad_recipient("headers-a-string", headers="X-One: 1")
    yield bad_recipient("headers-null", headers=None)
    yield bad_recipient("outcome-null", outcome=None)
    yield bad_recipient("outcome-without-instant", outcome={"code": 250, "status": "2.0.0", "text": ""})
    yield bad_recipient("outcome-code-too-large", outcome={**OUTCOME, "code": 65536})
    yield bad_recipient("outcome-code-a-string", outcome={**OUTCOME, "code": "550"})
    yield bad_list("second-recipient-is-wrong", whole + "\n{}\n", 2)
    yield bad_list("count-too-small", (whole + "\n") * 2, 1, "count")
    yield bad_list("count-too-large", whole + "\n", 2, "count")
    yield bad_list("count-without-recipients", "", 1, "count")


def files():
    """Path below the directory of vectors → bytes."""
    made = {}
    for number, (name, rewrite, fields, message, recipients, data) in enumerate(valid(), 1):
        view = {"rewrite": rewrite, "head": fields, "message": base64.b64encode(message).decode(), "recipients": recipients}
        made[f"valid/{number:03}-{name}.entry"] = data
        made[f"valid/{number:03}-{name}.json"] = json.dumps(view, indent=1).encode() + b"\n"
    for number, (name, word, why, data) in enumerate(invalid(), 1):
        made[f"invalid/{number:03}-{name}.entry"] = data
        made[f"invalid/{number:03}-{name}.error"] = "".join(f"{part}\n" for part in (word, why) if part).encode()
    return made


def main(directory):
    made = files()
    for path in [*directory.glob("valid/*"), *directory.glob("invalid/*")]:
        if path.relative_to(directory).as_posix() not in made:
            path.unlink()
    for path, data in made.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(data)
    print(f"{len(made) // 2} vectors in {directory}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent / "vectors")
