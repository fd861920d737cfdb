#!/usr/bin/env python3
"""An outbound runner: takes the place of listmill's, or works beside it (SPEC.md, chapters 10 to 13).

    listmill_outbound.py (--spool DIR | --amqp URL) --ledger DIR [--relay HOST:PORT]

One SMTP transaction for each recipient line, with the line's own return path and header fields. Who was refused leaves for `bounce`, who must wait
for `outbound` again, each as one entry of derived id. Standard library only, and pika for --amqp.
"""

import datetime
import sys
import zlib

from listmill_ledger import Ledger, Page
from listmill_runner import parser, queues, serve
from listmill_smtp import Relay, outcome
from listmill_spool import hop, instant, micros, now

INTERVALS = [5, 15, 30, 60, 120, 240]  # minutes to the next attempt; the last one repeats
LIFETIME = datetime.timedelta(days=5)  # from the first attempt


class Outbound:
    def __init__(self, queue, ledger, relay):
        self.outbound, self.bounce, self.ledger, self.relay = queue("outbound"), queue("bounce"), ledger, relay

    def carry(self, claim, stopping):
        entry, outcomes = claim.entry, None
        if entry.recipients and not self.ledger.was_finished(entry.head["id"]):
            outcomes = self.deliver(entry, stopping)
            if outcomes is None:
                return self.outbound.give_back(claim)  # who has had a reply stands in the ledger
            self.settle(entry, outcomes)
        self.outbound.release(claim)
        self.ledger.finish(entry.head["id"])

    def deliver(self, entry, stopping):
        """How it ended for each recipient, by place; none when the runner is to stop."""
        page, unreachable = Page(self.ledger, entry), None
        outcomes = dict(page.outcomes)
        late = "expires" in entry.head and micros(entry.head["expires"]) <= micros(instant(now()))
        for place, recipient in enumerate(entry.recipients):
            if place in outcomes or late:
                continue
            if stopping():
                return None
            outcomes[place] = last = unreachable or self.relay.send(entry, recipient)
            if last["code"]:
                page.record(place, last)
            elif last["status"] == "4.4.1":
                unreachable = last  # nobody is there: that is not about this recipient
            self.outbound.tend()
        page.sync()
        return outcomes

    def settle(self, entry, outcomes):
        """Writes what follows: at most one entry for those who wait, and one for those who were refused or given up."""
        head, attempts = entry.head, entry.head.get("attempts", 0)
        jitter = (900 + zlib.crc32(f"{head['id']} {attempts}".encode()) % 201) / 1000
        again = instant(now() + datetime.timedelta(minutes=INTERVALS[min(attempts, len(INTERVALS) - 1)] * jitter))
        expires = head.get("expires") or instant(now() + LIFETIME)
        waiting, refused = [], []
        for recipient, last in ((recipient, outcomes.get(place)) for place, recipient in enumerate(entry.recipients)):
            kind, last = last and last["code"] // 100, last or recipient.get("outcome")
            if kind not in (2, 5) and micros(again) > micros(expires):
                said = f"{last['code']} {last['status']} {last['text']}" if last else "none"
                text = f"delivery time expired; the last reply was: {said}"
                kind, last = 5, outcome(last["code"] if last else 0, text, "4.4.7")
            if kind != 2:
                (refused if kind == 5 else waiting).append(dict(recipient, outcome=last) if last else recipient)
        if waiting:
            later = entry.derive("outbound", 0, "outbound")
            later.head.update(attempts=attempts + 1, not_before=again, expires=expires, priority=head.get("priority", "normal"))
            self.put(self.outbound, later, waiting, "wait for another attempt")
        if refused:
            self.put(self.bounce, entry.derive("outbound", 1, "bounce"), refused, "refused or given up")

    def put(self, queue, entry, recipients, reason):
        trace, entry.recipients = entry.head.get("trace", []), recipients
        trace = trace[:-1] if trace and trace[-1]["runner"] == "outbound" else trace  # one record for all attempts
        entry.head["trace"] = trace + [hop("outbound", "forward", f"{len(recipients)} recipients: {reason}")]
        queue.put(entry)


def main():
    options = parser(__doc__)
    options.add_argument("--ledger", metavar="DIR", required=True, help="the ledger; listmill's own is DATA/ledger")
    options.add_argument("--relay", metavar="HOST:PORT", default="127.0.0.1:25", help="the next host (%(default)s)")
    options = options.parse_args()
    relay = Relay(options.relay)
    runner = Outbound(queues(options.spool or options.amqp), Ledger(options.ledger), relay)
    return serve("outbound", runner.outbound, runner.carry, idle=relay.close)


if __name__ == "__main__":
    sys.exit(main())
