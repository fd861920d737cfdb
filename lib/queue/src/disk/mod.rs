//! The disk backend: every entry is a message file in `spool/QUEUE/`, and a rename is what moves it.
//!
//! | directory | what is in it | name |
//! | --- | --- | --- |
//! | `tmp` | what is being written | anything |
//! | `new` | entries that can be claimed | `RANK.MICROSECONDS.ID` |
//! | `cur` | claimed entries, each locked (`flock`) by its claimer | as in `new` |
//! | `deferred` | entries that wait for a clock; the time in the name is when | `MICROSECONDS.RANK.ID` |
//! | `shunt` | set aside after a software fault; the reason in `NAME.why.json` | as in `new` |
//! | `corrupt` | files that are no entries; the reason in `NAME.why.json` | `MICROSECONDS.OLDNAME` |
//! | `ids` | an index: `ID` is a second name of the message file, whose time tells the place (see `index`) | `ID` |
//! | `paused` | a mark: nobody claims while it is there | |
//!
//! Beside the queues lies `journal/`: what a process puts into a queue that it serves itself is kept there until it is released, and made
//! a file as soon as somebody else may want it; see [`journal`].
//!
//! `RANK` is one digit (1 is the most urgent), `MICROSECONDS` twenty digits since 1970, `ID` the entry's UUID. Several
//! processes may write and claim at the same time, also such as are not ours. Those keep four rules:
//!
//! 1. *Write* in `tmp`, link it in `ids`, fsync the file, rename it into `new` (or `deferred`), fsync that directory.
//! 2. *Claim*: open without following links, lock exclusively without waiting, see that the name still is the file that
//!    is locked, rename from `new` into `cur` under the same name, and keep the lock.
//! 3. *Finish* with the lock held: unlink from `ids` and then from `cur`, or rename back into `new`, or into `shunt`.
//! 4. An entry in `cur` that is not locked is an orphan: its claimer has died. Lock it as in 2, rename it into `new`.
//!
//! # Who is next
//! All of a higher class, oldest first; every fourth claim takes the oldest of any class. The time is that of writing
//! into the queue, so a list whose distribution list has a thousand pages does not stand in front of the posts of others.
//! Hence the name of a repeat cannot be guessed, and `ids` finds it. A process remembers the 4,096 oldest of each class,
//! learns of others by inotify, and reads the directory again when they are used up, and else seldom (one part in fifty
//! of its time): a claim costs the same with ten entries and with a million, in time and in memory.
//!
//! # What a crash leaves behind
//! One system call per transition; the process may die, or the power fail, in any row.
//!
//! | state | on the disk | what becomes of it |
//! | --- | --- | --- |
//! | put: written, not synced | a piece in `tmp` | nobody was told "stored"; swept after an hour |
//! | put: in the index | and a line that names a place where nothing is | it is verified when it is used, so it does no harm |
//! | put: synced | the file in `tmp`, and that line | the same |
//! | put: renamed, directory not synced | the entry in `new`; after a power cut in `tmp` or `new` | nobody was told; the caller's repeat finds it, or not |
//! | put: synced | the entry in `new` | stored |
//! | claimed | the entry in `cur`; after a power cut in `new` or `cur` | its lock is gone: taken over within a second |
//! | released: no longer in the index | the entry in `cur` | taken over, and in the index again |
//! | released: unlinked, directory not synced | nothing; after a power cut perhaps the entry in `cur` | it runs again, with the same ids |
//! | released: synced | nothing | done |
//! | given back | the entry in `new`; after a power cut in `new` or `cur` | claimed again |
//! | defer: deferred copy in place | the entry in `deferred` and in `cur` | the index names the deferred one: the orphan is dropped |
//! | due: renamed | the entry in `new`; after a power cut in `deferred` or `new` | moved again |
//! | shunt: reason written | the entry in `cur`, the reason in `shunt` | taken over, and shunted again |
//! | shunt: renamed | the entry in `shunt` | shunted |
//! | retry: in the index | the entry where it was | nothing has happened |
//!
//! After a power cut a file system may have done renames in any order, but none of a file whose bytes were not synced before.

mod board;
mod chores;
mod claim;
mod dir;
mod finish;
mod index;
mod journal;
mod lane;
mod line;
mod look;
mod names;
mod operator;
mod put;
mod queues;
mod setaside;
mod shared;
mod spool;
mod sync;
mod watch;

pub use board::DiskBoard;
pub(crate) use claim::DiskHold;
pub use queues::DiskQueues;
