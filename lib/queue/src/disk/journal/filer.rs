//! Making files of entries that are in the journal: what nobody of this process has time for, others must see.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use listmill_queue_format::{EntryId, Queue};

use super::shelf::{Leaving, Which};
use crate::disk::shared::Shared;
use crate::disk::spool::Spool;
use crate::lock::{lock, wait};
use crate::{QueueError, State};

/// How often it is looked whether something is to become a file, while there is something.
const LOOK: Duration = Duration::from_millis(50);
/// How often what has gone is made durable, at the least.
const TIDY: Duration = Duration::from_millis(500);
/// After a failure it is tried again so much later.
const AGAIN: Duration = Duration::from_secs(1);

/// Wakes the filer, and ends it.
#[derive(Debug, Default)]
pub(in crate::disk) struct Rouser {
    awake: AtomicBool,
    ended: Mutex<bool>,
    changed: Condvar,
}

impl Rouser {
    /// There is something to do, now or soon.
    pub(in crate::disk) fn rouse(&self) {
        if !self.awake.load(Ordering::SeqCst) && !self.awake.swap(true, Ordering::SeqCst) {
            drop(lock(&self.ended));
            self.changed.notify_all();
        }
    }

    pub(in crate::disk) fn end(&self) {
        *lock(&self.ended) = true;
        self.changed.notify_all();
    }

    /// Waits so long; for good when `idle` finds nothing to do. `false` when this is the end.
    fn rest(&self, rest: Duration, idle: impl Fn() -> bool) -> bool {
        let until = Instant::now() + rest;
        let mut ended = lock(&self.ended);
        // Asleep first, then a look: who puts something in between, wakes us.
        self.awake.store(false, Ordering::SeqCst);
        let sleep = idle();
        self.awake.store(!sleep, Ordering::SeqCst);
        while !*ended && if sleep { !self.awake.load(Ordering::SeqCst) } else { Instant::now() < until } {
            ended = wait(&self.changed, ended, if sleep { None } else { Some(until) });
        }
        !*ended
    }
}

/// Starts the thread that files; it ends when the [`Rouser`] says so.
pub(in crate::disk) fn start(shared: &Arc<Shared>) -> std::io::Result<JoinHandle<()>> {
    let shared = Arc::clone(shared);
    std::thread::Builder::new().name("journal".to_owned()).spawn(move || work(&shared))
}

fn work(shared: &Shared) {
    let (mut tidied, mut is_tidy, mut rest) = (Instant::now(), true, LOOK);
    while shared.rouser.rest(rest, || is_tidy && shared.is_bare()) {
        let filed = shared.file(Which::Due);
        rest = if filed { LOOK } else { AGAIN };
        is_tidy = false;
        if tidied.elapsed() >= TIDY {
            tidied = Instant::now();
            is_tidy = shared.log.tidy().unwrap_or_else(|error| {
                tracing::warn!(journal = %shared.log.root().display(), %error, "failed to remove what nobody needs");
                false
            });
        }
    }
}

impl Shared {
    fn is_bare(&self) -> bool {
        self.spools.iter().all(|spool| spool.line.is_bare()) && lock(&self.unsure).is_empty()
    }

    /// Makes files of what is in the journal; `false` when something could not become one.
    pub(in crate::disk) fn file(&self, which: Which) -> bool {
        self.forget_finished();
        // Another process may claim what was given back, and must find what had followed from it.
        let returned = self.spools.iter().any(|spool| spool.line.has_returned(which));
        let passes: &[Which] = if returned { &[Which::All, Which::Returned] } else { &[which] };
        let mut filed = true;
        for which in passes {
            for spool in &self.spools {
                loop {
                    let leaving = spool.line.leave(*which);
                    if leaving.is_empty() {
                        break;
                    }
                    if let Err(error) = self.file_these(spool, leaving) {
                        tracing::error!(queue = %spool.queue, %error, "entries stay in the journal: failed to");
                        filed = false;
                        break;
                    }
                }
            }
        }
        filed
    }

    /// Makes files of these: in `new`, or, where somebody works on them, in `cur`.
    pub(in crate::disk) fn file_these(&self, spool: &Spool, mut leaving: Vec<Leaving>) -> Result<(), QueueError> {
        let mut failure = Ok(());
        let mut written = Vec::new();
        while let Some(entry) = leaving.pop() {
            match spool.write_out(&entry) {
                Ok(file) => written.push((entry, file)),
                Err(error) => {
                    failure = Err(error);
                    leaving.push(entry);
                    break;
                }
            }
        }
        for dir in [&spool.new, &spool.cur] {
            if failure.is_ok() {
                failure = dir.sync();
            }
        }
        leaving.into_iter().for_each(|entry| spool.line.not_filed(entry));
        // What is not durable as a file is still so in the journal, and a repeat finds the file.
        let durable = failure.is_ok();
        for (entry, file) in &mut written {
            spool.line.filed(entry, file.take());
        }
        let filed = written.iter().map(|(entry, _)| (entry.segment, spool.queue, entry.place.id));
        if durable {
            self.log.gone(filed);
        } else {
            lock(&self.unsure).extend(filed);
        }
        failure
    }

    /// Tells the journal of the files that were never known to be durable and that somebody has finished. Until then it keeps them: after a failed
    /// sync the next one may succeed, and say nothing about them.
    fn forget_finished(&self) {
        let unsure = std::mem::take(&mut *lock(&self.unsure));
        if unsure.is_empty() {
            return;
        }
        let is_finished = |(_, queue, id): &(u64, Queue, EntryId)| {
            let spool = self.spool(*queue);
            !spool.line.keeps(*id) && matches!(spool.indexed(*id), Ok(None))
        };
        let (finished, unsure): (Vec<_>, Vec<_>) = unsure.into_iter().partition(is_finished);
        lock(&self.unsure).extend(unsure);
        self.log.gone(finished);
    }
}

impl Spool {
    /// Writes the message file of an entry that was in the journal. The file, locked, when somebody works on it.
    fn write_out(&self, entry: &Leaving) -> Result<Option<std::fs::File>, QueueError> {
        let (place, name) = (entry.place, entry.place.name());
        let to = self.dir(if entry.claimed.is_some() { State::Claimed } else { State::New });
        let tmp = self.write_entry(place, &entry.bytes)?;
        let moved = self.tmp.open_entry(&tmp).and_then(|opened| {
            opened.try_lock()?; // it is so young that nobody else wants it
            self.tmp.rename(&tmp, to, &name)?;
            Ok(opened.file)
        });
        match moved {
            Ok(file) => Ok(entry.claimed.map(|_| file)),
            Err(errno) => {
                self.tmp.discard(&tmp);
                self.forget(place.id);
                Err(to.failed("rename to", &name, errno))
            }
        }
    }
}
