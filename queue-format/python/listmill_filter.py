#!/usr/bin/env python3
"""A filter in front of a queue, as between moderation and pending (SPEC.md, chapters 10 and 13): marks, discards or sets aside.

    listmill_filter.py (--spool DIR | --amqp URL) --via DIR-or-URL [--queue pending] [--name filter]
                       [--mark FIELD] [--discard PATTERN]... [--shunt PATTERN]...

In the site file, `[queue.pending] via = "DIR-or-URL"` has everybody who writes to the queue `pending` write there, and the filter carries what passes
to the queue itself. It adds the header field FIELD to each message, as in "X-Scanned: by filter.example.org"; drops a message with a header field
that matches a PATTERN to be discarded, as in "X-Spam-Flag: yes"; and shunts one with a field that matches a PATTERN to be shunted: it waits for an
operator, who removes it or has it looked at again. Standard library only, and pika for URLs.
"""

import re
import sys

from listmill_runner import parser, queues, serve
from listmill_spool import hop


class Filter:
    def __init__(self, reads, writes, options):
        self.reads, self.writes, self.name, self.mark = reads, writes, options.name, options.mark
        self.rules = [("discard", re.compile(pattern, re.I)) for pattern in options.discard]
        self.rules += [("shunt", re.compile(pattern, re.I)) for pattern in options.shunt]

    def carry(self, claim, _stopping):
        verdict, reason = self.decide(claim.entry.message)
        id = claim.entry.head["id"]
        if verdict == "shunt":
            self.reads.shunt(claim, self.name, reason)
        else:
            if verdict != "discard":
                self.writes.put(self.derived(claim.entry, verdict, reason))  # durable before the release
            self.reads.release(claim)
        print(f"{self.name}: {id} {verdict}: {reason}", file=sys.stderr, flush=True)

    def decide(self, message):
        """Depends on the message alone, so that whoever carries it out a second time decides the same."""
        for verdict, pattern in self.rules:
            for field in header_fields(message):
                if pattern.match(field):
                    return verdict, f"the header field {field[:100]!r}"
        return ("change", "marked") if self.mark else ("forward", "nothing was found")

    def derived(self, entry, verdict, reason):
        """The entry that goes on: all that it had, unknown fields included, under an id of its own and with this hop."""
        head, queue = entry.head, entry.head["queue"]
        passed = entry.derive(self.name, 0, queue)
        # It is still bound for the same queue, so what it has there is kept.
        passed.head.update({name: head[name] for name in ("priority", "expires") if name in head})
        passed.head["trace"] = head.get("trace", []) + [hop(self.name, verdict, reason)]
        passed.recipients = entry.recipients
        if self.mark:
            passed.message = self.mark.encode() + b"\r\n" + entry.message  # in front of all that was there: nothing else is touched
        return passed


def header_fields(message):
    """The header fields, unfolded, as text."""
    section = re.split(rb"\r?\n\r?\n", message, maxsplit=1)[0]
    return re.sub(rb"\r?\n(?=[ \t])", b"", section).decode("utf-8", "replace").splitlines()


def main():
    options = parser(__doc__)
    options.add_argument("--via", metavar="DIR-or-URL", required=True, help="where it takes entries from: `via` of the site file")
    options.add_argument("--queue", default="pending", help="the queue that it stands in front of (%(default)s)")
    options.add_argument("--name", default="filter", help="the runner's name in traces, and for derived ids (%(default)s)")
    options.add_argument("--mark", metavar="FIELD", help="a header field to add to each message")
    options.add_argument("--discard", metavar="PATTERN", action="append", default=[], help="regular expression, from the field's name on")
    options.add_argument("--shunt", metavar="PATTERN", action="append", default=[], help="the same")
    options = options.parse_args()
    if options.mark and not re.fullmatch(r"[!-9;-~]+:[ \t-~]*", options.mark):
        sys.exit(f"--mark: {options.mark!r} is not a header field")
    reads, writes = queues(options.via)(options.queue), queues(options.spool or options.amqp)(options.queue)
    runner = Filter(reads, writes, options)
    return serve(options.name, reads, runner.carry)


if __name__ == "__main__":
    sys.exit(main())
