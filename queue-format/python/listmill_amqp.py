"""The queues in a broker (SPEC.md, chapter 12) for a runner in Python: put, claim, release, give back, defer, shunt, as listmill_spool.py has them.

    queue = Broker("amqp://listmill@mq.example.org/%2f").queue
    pending, outbound = queue("pending"), queue("outbound")

Needs pika (python3-pika). It declares nothing: listmill does, and dist/rabbitmq has the definitions. Whatever fails raises OSError: the claims are
gone then, somebody else gets the entries, and whoever used this starts anew. No method but `wait` waits for an entry.
"""

import contextlib
import dataclasses
import json
import sys
import time

import pika
import pika.exceptions

from listmill_queue import VERSION, Corrupt, Entry, decode, encode, version
from listmill_spool import instant, micros, now

WAITS = (3600, 600, 120, 30, 5, 1)  # seconds that a message stays in one of the wait queues


@contextlib.contextmanager
def failures():
    try:
        yield
    except pika.exceptions.AMQPError as error:
        raise OSError(f"the broker: {error!r}") from error


@dataclasses.dataclass
class Claim:
    """The right to an entry, as long as the connection lasts."""

    entry: Entry
    tag: int
    body: bytes


class Broker:
    """A broker: one connection to claim over, and one to publish over, so that acknowledgements do not wait when the broker takes no more."""

    def __init__(self, url):
        parameters = pika.URLParameters(url)
        # A transaction of SMTP may take minutes, in which nobody looks after the connections.
        parameters.heartbeat, parameters.blocked_connection_timeout = 600, 60
        with failures():
            self.connections = [pika.BlockingConnection(parameters) for _ in range(2)]
            self.claims, self.writes = (connection.channel() for connection in self.connections)
            self.writes.confirm_delivery()

    def queue(self, name):
        return Queue(self, name)

    def tend(self, seconds=0):
        with failures():
            self.connections[0].process_data_events(seconds)
            self.connections[1].process_data_events(0)


class Queue:
    """One queue of a broker."""

    def __init__(self, broker, queue):
        self.broker, self.queue, self.exchange, self.turn, self.looked = broker, queue, f"listmill.{queue}", 0, 0.0
        self.tend, self.newer = broker.tend, set()

    def put(self, entry):
        """Durable when this returns."""
        if entry.head["queue"] != self.queue:
            raise ValueError(f"the entry is bound for {entry.head['queue']}, not for {self.queue}")
        self._publish(encode(entry), entry.head, self._key(entry.head))

    def claim(self):
        """The next entry of the queue, as a Claim; None when there is nothing to claim now."""
        if self._is_paused():
            return None
        names = [f"{self.exchange}.first", self.exchange, f"{self.exchange}.last"]
        self.turn += 1
        for name in names if self.turn % 4 else reversed(names):  # every class makes progress
            while True:
                with failures():
                    method, _, body = self.broker.claims.basic_get(name)
                if method is None:
                    break
                claim = self._checked(method.delivery_tag, body)
                if claim:
                    return claim
        return None

    def release(self, claim):
        with failures():
            self.broker.claims.basic_ack(claim.tag)

    def give_back(self, claim):
        with failures():
            self.broker.claims.basic_nack(claim.tag, requeue=True)

    def defer(self, claim, entry):
        """Replaces the claimed entry by `entry`: the same id and queue, with `not_before` and one attempt more."""
        if (entry.head["id"], entry.head["queue"]) != (claim.entry.head["id"], self.queue):
            raise ValueError("the entry that replaces a claimed one must have its id and queue")
        self.put(entry)
        self.release(claim)

    def shunt(self, claim, stage, reason, trace=""):
        """Sets the entry aside for an operator; `trace` is the stack of a software fault."""
        why = {"stage": stage, "reason": reason, "trace": trace[-16384:], "at": instant(now())}
        self._publish(claim.body, claim.entry.head, "shunt", why)
        self.release(claim)

    def wait(self, seconds):
        """For when there is nothing to claim: comes back after a while."""
        self.broker.tend(seconds)

    def _checked(self, tag, body):
        """The claim to what came, or None when it went where it belongs."""
        claim = Claim(Entry({}), tag, body)
        try:
            claim.entry = decode(body)
            if claim.entry.head["queue"] != self.queue:
                raise Corrupt("field", "line 1 has another queue")
        except Corrupt as error:
            if error.word == "newer-major":
                return self._leave(claim, "a newer major version")
            why = {"name": str(tag), "from": "new", "reason": str(error), "at": instant(now())}
            self._publish(body, {}, "corrupt", why)
            return self.release(claim)
        head = claim.entry.head
        if version(head["format"]) > VERSION:
            return self._leave(claim, head["format"])
        if "not_before" in head and micros(head["not_before"]) > micros(instant(now())):
            self._publish(body, head, self._key(head))
            return self.release(claim)
        return claim

    def _leave(self, claim, found):
        """It comes round until a newer runner is there."""
        if found not in self.newer:
            print(f"{self.queue}: an entry has {found}, which is for a newer runner", file=sys.stderr, flush=True)
            self.newer.add(found)
        self._publish(claim.body, claim.entry.head, "wait.120.normal")
        self.release(claim)

    def _key(self, head):
        """Where the entry is to wait: to be claimed, or for a clock."""
        name = head.get("priority", "normal")
        left = micros(head["not_before"]) / 1e6 - time.time() if "not_before" in head else 0
        return f"wait.{next((step for step in WAITS if step <= left * 1.25), 1)}.{name}" if left > 0 else f"new.{name}"

    def _publish(self, body, head, key, why=None):
        """Confirmed when this returns: stored, and in a queue."""
        at = time.time_ns() // 1000
        headers = {"listmill-at": at, **({"listmill-why": json.dumps(why)} if why else {})}
        properties = pika.BasicProperties(
            delivery_mode=2, content_type="application/vnd.listmill.entry", message_id=head.get("id"), type=self.queue,
            timestamp=at // 1_000_000, headers=headers,
        )
        with failures():  # one that goes to no queue is returned, and raises as one that was refused
            self.broker.writes.basic_publish(self.exchange, key, body, properties, mandatory=True)

    def _is_paused(self):
        if time.monotonic() - self.looked > 1:
            with failures():
                paused = self.broker.claims.queue_declare(f"{self.exchange}.paused", passive=True)
            self.paused, self.looked = paused.method.message_count > 0, time.monotonic()
        return self.paused
