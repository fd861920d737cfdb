//! What claimers do besides claiming: take over orphans, move what is due, sweep. Each is harmless to do twice.

use std::time::Instant;

use rustix::io::Errno;

use super::line::REMEMBERED;
use super::spool::{Spool, is_leftover};
use crate::lineup::Place;
use crate::oldest::Oldest;
use crate::{QueueError, State};

impl Spool {
    /// Does what is due to be done. What fails is reported and done again next time.
    pub(super) fn do_chores(&self) {
        let Some(chores) = self.line.chores() else { return };
        // Orphans before what is due: of an entry that died while being deferred, the orphan must find the deferred copy.
        if chores.orphans {
            self.report("take over orphans", self.take_over_orphans());
        }
        if chores.deferred {
            let began = Instant::now();
            let mut deferred = Oldest::new(REMEMBERED);
            let scanned = self.scan(State::Deferred, |place| {
                deferred.insert(place, None);
            });
            self.line.scanned_deferred(began, scanned.is_ok().then_some(deferred));
            self.report("read the deferred entries", scanned);
        }
        self.report("move due entries", self.move_due());
        if chores.tmp {
            self.report("sweep tmp", self.sweep_tmp());
        }
        if chores.index {
            self.report("sweep the index", self.sweep_index());
        }
    }

    /// For a process that only writes to this queue.
    pub(super) fn sweep_index_when_due(&self) {
        if self.line.index_sweep_is_due() {
            self.report("sweep the index", self.sweep_index());
        }
    }

    fn report(&self, doing: &str, done: Result<(), QueueError>) {
        if let Err(error) = done {
            tracing::warn!(queue = %self.queue, %error, "failed to {doing}");
        }
    }

    /// Puts every entry in `cur` whose claimer is gone back into `new`, at its old place, with one more try that has ended so.
    fn take_over_orphans(&self) -> Result<(), QueueError> {
        let mut suspects = Vec::new();
        self.scan(State::Claimed, |place| {
            if suspects.len() < REMEMBERED {
                suspects.push(place);
            }
        })?;
        suspects.retain(|place| !self.line.holds(place));
        for place in suspects {
            self.report("take over an orphan", self.take_over(place));
        }
        Ok(())
    }

    fn take_over(&self, place: Place) -> Result<(), QueueError> {
        let name = place.name();
        let failed = |doing| move |errno| self.cur.failed(doing, &place.name(), errno);
        let opened = match self.cur.open_entry(&name) {
            Ok(opened) => opened,
            Err(Errno::NOENT) => return Ok(()),
            Err(_) if !self.line.skip(place) => return Ok(()), // reported once
            Err(errno) => return Err(failed("open")(errno)),
        };
        // Its claimer lives, or somebody else is taking it over, or has finished it since it was listed.
        if !opened.try_lock().map_err(failed("lock"))?
            || !self.cur.still_names(&name, &opened.stat).map_err(failed("look at"))?
        {
            return Ok(());
        }
        let tries = place.tries(&opened.stat);
        let was_dropped = self.line.was_dropped(&place);
        if !self.back_to_new(place, if was_dropped { tries } else { tries.saturating_add(1) })? {
            return Ok(());
        }
        drop(opened); // and with it the lock, before somebody is told
        tracing::warn!(queue = %self.queue, id = %place.id, "the claimer of an entry is gone: it can be claimed again");
        self.line.arrived([place]);
        Ok(())
    }

    /// Moves an entry, whose lock the caller has, from `cur` to its old place; `false` when it is not there, or needed no more.
    pub(super) fn back_to_new(&self, place: Place, tries: u8) -> Result<bool, QueueError> {
        let name = place.name();
        if self.is_superseded(place)? {
            tracing::info!(file = self.cur.at(name.as_bytes()), "an orphan was deferred before its claimer died");
            self.cur.discard(&name);
            return Ok(false);
        }
        self.index_tried(&self.cur, &name, place, tries)?;
        match self.cur.rename(&name, &self.new, &name) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(self.cur.failed("take over", &name, errno)),
        }
    }

    /// The entry is also elsewhere: its claimer died between writing the deferred copy and unlinking this one.
    fn is_superseded(&self, orphan: Place) -> Result<bool, QueueError> {
        if self.index_entry(orphan.id) == Ok(Some(orphan)) {
            return Ok(false);
        }
        Ok(self.locate(orphan.id)?.is_some_and(|(_, place)| place != orphan))
    }

    /// Moves every deferred entry whose time has come into `new`, where its place is that of its time.
    fn move_due(&self) -> Result<(), QueueError> {
        let mut moved = Vec::new();
        let mut failure = Ok(());
        for place in self.line.take_due() {
            let (from, to) = (place.name_in(State::Deferred), place.name());
            match self.deferred.rename(&from, &self.new, &to) {
                Ok(()) => moved.push(place),
                Err(Errno::NOENT) => {} // another process was faster, or an operator
                Err(errno) => failure = Err(self.deferred.failed("rename", &from, errno)),
            }
        }
        if !moved.is_empty() {
            self.line.arrived(moved);
        }
        failure
    }

    /// Unlinks what writers that died have left in `tmp`.
    fn sweep_tmp(&self) -> Result<(), QueueError> {
        let mut names = Vec::new();
        self.tmp.for_each(|name, _| {
            if let (true, Ok(name)) = (names.len() < REMEMBERED, std::str::from_utf8(name)) {
                names.push(name.to_owned());
            }
        })?;
        for name in names {
            let Ok(opened) = self.tmp.open_entry(&name) else { continue };
            if opened.is_regular() && is_leftover(&opened.stat) && opened.try_lock() == Ok(true) {
                tracing::info!(file = self.tmp.at(name.as_bytes()), "a leftover is removed");
                self.tmp.discard(&name);
            }
        }
        Ok(())
    }
}
