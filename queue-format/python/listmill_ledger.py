"""The ledger of outbound (SPEC.md, chapter 12): which recipients of an entry have had their final reply, across a kill of the runner.

Shared with listmill's own outbound runner, so either may go on where the other was killed. Standard library only.
"""

import fcntl
import json
import os
import time
from pathlib import Path

CAPACITY = 50_000  # ids in one file of finished entries
SYNC = 1.0  # seconds that lines may lie in memory, as long as the machine runs they are safe there


class Ledger:
    def __init__(self, path):
        self.path = Path(path)
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.lock = open(self.path / "finished.lock", "ab")

    def was_finished(self, id):
        """Whether an entry with this id was released before; then it is released again, and nothing is sent."""
        for name in ("finished", "finished.old"):
            try:
                if f"{id}\n".encode() in (self.path / name).read_bytes():
                    return True
            except FileNotFoundError:
                pass
        return False

    def finish(self, id):
        """For after the release: the id is on the disk before the page goes."""
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        try:
            path = self.path / "finished"
            if path.exists() and path.stat().st_size >= CAPACITY * len(f"{id}\n"):
                os.rename(path, self.path / "finished.old")
            with open(path, "a+b") as file:
                torn = file.tell() and os.pread(file.fileno(), 1, file.tell() - 1) != b"\n"
                file.write((b"\n" if torn else b"") + f"{id}\n".encode())
                file.flush()
                os.fsync(file.fileno())
        finally:
            fcntl.flock(self.lock, fcntl.LOCK_UN)
        (self.path / id).unlink(missing_ok=True)


class Page:
    """The outcomes of one entry by their place in its distribution list, those of before a kill included."""

    def __init__(self, ledger, entry):
        self.addresses = [recipient["address"] for recipient in entry.recipients]
        self.outcomes, self.synced = {}, time.monotonic()
        self.file = open(ledger.path / entry.head["id"], "a+b")
        fcntl.flock(self.file, fcntl.LOCK_EX)  # until it is closed: a broker that restarts hands out again what is in hand
        self.file.seek(0)
        lines = self.file.read()
        whole = lines.rfind(b"\n") + 1
        self.file.truncate(whole)  # whoever wrote it was killed in the middle of a line
        for line in lines[:whole].splitlines():
            self._take(line)

    def record(self, place, outcome):
        """Right after the final reply, and before the next transaction begins."""
        self.outcomes[place] = outcome
        line = {"place": place, "address": self.addresses[place], "outcome": outcome}
        self.file.write(json.dumps(line).encode() + b"\n")
        self.file.flush()
        if time.monotonic() - self.synced > SYNC:
            self.sync()

    def sync(self):
        os.fsync(self.file.fileno())
        self.synced = time.monotonic()

    def _take(self, line):
        try:
            line = json.loads(line)
            place, address, outcome = line["place"], line["address"], line["outcome"]
        except (ValueError, KeyError, TypeError):
            return  # after a loss of power there may be anything in the last blocks
        if not (0 <= place < len(self.addresses) and self.addresses[place] == address):
            place = self.addresses.index(address) if address in self.addresses else None
        if place is not None:
            self.outcomes.setdefault(place, outcome)
