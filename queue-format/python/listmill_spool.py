"""The disk spool of listmill (SPEC.md, chapter 11) for a runner in Python: put, claim, release, give back, defer, shunt.

A runner that takes the place of listmill's in the middle of the mill:

    moderation, pending = Spool("data/spool", "moderation"), Spool("data/spool", "pending")
    while True:
        claim = moderation.claim()
        if claim is None:
            moderation.wait(0.2)  # or for inotify on moderation/new
            continue
        entry = claim.entry.derive("moderation", 0, "pending")
        entry.head["trace"] = entry.head.get("trace", []) + [hop("moderation", "forward", "everybody may post")]
        pending.put(entry)
        moderation.release(claim)

Standard library only, Python 3.9 or later, on a POSIX system and a local file system. No method but `wait` waits.
"""

import dataclasses
import datetime
import errno
import fcntl
import json
import os
import re
import socket
import stat
import time
import typing
from pathlib import Path

from listmill_queue import RANK, VERSION, Corrupt, Entry, decode, encode, version

DIRECTORIES = ("tmp", "new", "cur", "deferred", "shunt", "corrupt", "ids")
NAME = re.compile(r"([0-9])\.([0-9]{20})\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
DEFERRED_NAME = re.compile(r"([0-9]{20})\.([0-9])\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def instant(at):
    """A datetime with a time zone as it stands in an entry."""
    text = at.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0").rstrip(".")
    return text + "Z"


def micros(text):
    """An instant of an entry in microseconds since 1970, for file names."""
    seconds, _, fraction = text.rstrip("Z").partition(".")
    at = datetime.datetime.fromisoformat(seconds + "+00:00")
    return int(at.timestamp()) * 1_000_000 + int((fraction + "000000")[:6])


def hop(runner, disposition, reason=""):
    """A record for the trace."""
    record = {"runner": runner, "host": socket.gethostname(), "at": instant(now()), "disposition": disposition}
    return dict(record, reason=reason) if reason else record


@dataclasses.dataclass
class Claim:
    """The right to an entry: its file in `cur`, open and locked. When the process dies, the lock goes, and another takes over."""

    entry: Entry
    name: str
    file: typing.BinaryIO


class Spool:
    """One queue of a spool."""

    def __init__(self, path, queue):
        self.queue, self.root, self.claims = queue, Path(path) / queue, 0
        for name in DIRECTORIES:
            (self.root / name).mkdir(mode=0o700, parents=True, exist_ok=True)

    def put(self, entry):
        """Durable when this returns. An entry whose id is in the queue already is left as it is."""
        if entry.head["queue"] != self.queue:
            raise ValueError(f"the entry is bound for {entry.head['queue']}, not for {self.queue}")
        if not self._is_present(entry.head["id"]):
            self._move_in(self._write(encode(entry)), entry)

    def claim(self):
        """The next entry of the queue, as a Claim; None when there is nothing to claim now."""
        if os.path.lexists(self.root / "paused"):
            return None
        self._take_over_orphans()
        self._move_due()
        # By class, then by time; each fourth claim by time alone, so that every class makes progress.
        order = (lambda name: name[2:]) if self.claims % 4 == 3 else None
        for name in sorted(os.listdir(self.root / "new"), key=order):
            claim = self._try_claim(name)
            if claim:
                self.claims += 1
                return claim
        return None

    def release(self, claim):
        """The entry is done with: gone, durably, when this returns."""
        self._unlink("cur", claim.name)
        self._unlink("ids", claim.entry.head["id"])
        self._sync("cur")
        claim.file.close()

    def give_back(self, claim):
        """The entry can be claimed again, unchanged."""
        os.rename(self.root / "cur" / claim.name, self.root / "new" / claim.name)
        claim.file.close()

    def defer(self, claim, entry):
        """Replaces the claimed entry by `entry`: the same id and queue, with `not_before` and one attempt more."""
        if (entry.head["id"], entry.head["queue"]) != (claim.entry.head["id"], self.queue):
            raise ValueError("the entry that replaces a claimed one must have its id and queue")
        self._move_in(self._write(encode(entry)), entry)
        self._unlink("cur", claim.name)
        claim.file.close()

    def shunt(self, claim, stage, reason, trace=""):
        """Sets the entry aside for an operator; `trace` is the stack of a software fault."""
        why = {"stage": stage, "reason": reason, "trace": trace, "at": instant(now())}
        self._write_why("shunt", claim.name, why)
        os.rename(self.root / "cur" / claim.name, self.root / "shunt" / claim.name)
        self._sync("shunt")
        claim.file.close()

    def wait(self, seconds):
        """For when there is nothing to claim: comes back after a while. (Something that watches `new` with inotify would be faster.)"""
        time.sleep(seconds)

    def tend(self):
        """To be called now and then during a long claim: a broker wants signs of life, a spool does not."""

    def _write(self, data):
        """A new file in `tmp`, on the disk when this returns."""
        path = self.root / "tmp" / f"{time.time_ns() // 1000:020}.{os.getpid()}.py"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(path, flags, 0o600), "wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the sweep of tmp leaves a locked file alone
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        return path

    def _move_in(self, path, entry):
        """Renames a written file to its place, `new` or `deferred`; durable when this returns."""
        head, at = entry.head, time.time_ns() // 1000
        rank, due = RANK[head.get("priority", "normal")], micros(head["not_before"]) if "not_before" in head else 0
        directory = "deferred" if due > at else "new"
        self._unlink("ids", head["id"])
        os.symlink(f"{rank}.{max(due, at):020}.{head['id']}", self.root / "ids" / head["id"])
        name = f"{due:020}.{rank}.{head['id']}" if due > at else f"{rank}.{at:020}.{head['id']}"
        os.rename(path, self.root / directory / name)
        self._sync(directory)

    def _try_claim(self, name):
        if not NAME.fullmatch(name):
            return self._set_aside("new", name, "it does not have the name of an entry")
        file = self._lock("new", name)
        if file is None:
            return None
        try:
            entry = decode(file.read())
            if (entry.head["id"], entry.head["queue"]) != (name[23:], self.queue):
                raise Corrupt("field", "line 1 has another id than the file's name, or another queue")
        except Corrupt as error:
            file.close()
            return None if error.word == "newer-major" else self._set_aside("new", name, str(error))
        if version(entry.head["format"]) > VERSION:
            return file.close()  # for a newer runner
        os.rename(self.root / "new" / name, self.root / "cur" / name)
        return Claim(entry, name, file)

    def _lock(self, directory, name):
        """The file, open and locked, or None when somebody else has it or has moved it. What is no file is set aside."""
        path = self.root / directory / name
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.ENXIO):
                raise
            return self._set_aside(directory, name, "it is not a regular file")
        opened = os.fstat(descriptor)
        if not stat.S_ISREG(opened.st_mode):
            os.close(descriptor)
            return self._set_aside(directory, name, "it is not a regular file")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(opened, os.stat(path, follow_symlinks=False)):
                return open(descriptor, "rb")
        except (BlockingIOError, FileNotFoundError):
            pass
        os.close(descriptor)
        return None

    def _take_over_orphans(self):
        """Puts back into `new` what lies in `cur` and is not locked: whoever claimed it is gone."""
        for name in os.listdir(self.root / "cur"):
            if not NAME.fullmatch(name):
                self._set_aside("cur", name, "it does not have the name of an entry")
                continue
            file = self._lock("cur", name)
            if file is None:
                continue
            if self._is_elsewhere(name):  # its claimer died after it had written the deferred copy
                self._unlink("cur", name)
            else:
                os.rename(self.root / "cur" / name, self.root / "new" / name)
            file.close()

    def _move_due(self):
        for name in os.listdir(self.root / "deferred"):
            match = DEFERRED_NAME.fullmatch(name)
            if not match:
                self._set_aside("deferred", name, "it does not have the name of an entry")
            elif int(match[1]) <= time.time_ns() // 1000:
                try:
                    os.rename(self.root / "deferred" / name, self.root / "new" / f"{match[2]}.{match[1]}.{match[3]}")
                except FileNotFoundError:
                    pass  # somebody else was faster

    def _is_present(self, id):
        """Whether the index names a place of this entry where it still is."""
        rank, at = self._indexed(id)
        places = [f"deferred/{at}.{rank}.{id}", *(f"{state}/{rank}.{at}.{id}" for state in ("new", "cur", "shunt"))]
        return any(os.path.lexists(self.root / place) for place in places)

    def _indexed(self, id):
        """RANK and TIME of the entry's name, as the index has them: a symbolic link or, by its time, the file itself."""
        line = self.root / "ids" / id
        try:
            status = os.lstat(line)
            if stat.S_ISLNK(status.st_mode):
                rank, at, _ = os.readlink(line).split(".", 2)
                return rank, at
            at, rank = divmod(status.st_mtime_ns, 1000)
            return str(rank), f"{at:020}"
        except (OSError, ValueError):
            return None, None

    def _is_elsewhere(self, name):
        """Whether the entry of this orphan is also in another place of the queue."""
        rank, at = self._indexed(name[23:])
        if name == f"{rank}.{at}.{name[23:]}":
            return False
        return any(found.endswith(name[23:]) for state in ("deferred", "new") for found in os.listdir(self.root / state))

    def _set_aside(self, directory, name, reason):
        """Moves what is no entry into `corrupt`, as it is; never deleted, never tried again."""
        new_name = f"{time.time_ns() // 1000:020}." + re.sub(r"[^A-Za-z0-9._+=@-]", "_", name)[:160]
        new_name += "_" if new_name.endswith(".why.json") else ""
        try:
            os.rename(self.root / directory / name, self.root / "corrupt" / new_name)
        except FileNotFoundError:
            return
        shown = name.encode("unicode_escape", "backslashreplace").decode("ascii", "replace")
        why = {"name": shown, "from": directory, "reason": reason, "at": instant(now())}
        self._write_why("corrupt", new_name, why)

    def _write_why(self, directory, name, why):
        path = self._write(json.dumps(why, indent=2).encode() + b"\n")
        os.rename(path, self.root / directory / f"{name}.why.json")

    def _unlink(self, directory, name):
        try:
            os.unlink(self.root / directory / name)
        except FileNotFoundError:
            pass

    def _sync(self, directory):
        descriptor = os.open(self.root / directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
