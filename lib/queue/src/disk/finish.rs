//! The four ways to finish a claim. In each, until the last step that counts, the entry is in `cur` and not lost.

use listmill_queue_format::{Entry, EntryId, Queue, encode};
use rustix::io::Errno;

use super::claim::{DiskHold, Grip};
use super::journal::shelf::{Finished, Which};
use super::names::why_name;
use super::queues::DiskQueues;
use super::spool::Spool;
use crate::backend::Hold;
use crate::error::Kind;
use crate::lineup::Place;
use crate::{Claim, QueueError, ShuntReason, State};

impl DiskQueues {
    /// The unlink of a file is made durable: an entry that came back after a power cut would run again, and although the ids of
    /// what it writes are the same, those may be gone by then. All who release at the same time share the sync. Of entries that are in the
    /// journal it is noted there, with one write, durably within half a second: so late nobody has forgotten those ids.
    pub(super) fn release_claims(&self, claims: Vec<Claim>) -> Vec<Result<(), QueueError>> {
        let mut gone = Vec::new();
        let released = claims.into_iter().map(|claim| self.release_claim(claim, &mut gone)).collect();
        if !gone.is_empty() {
            self.shared.log.gone(gone);
            self.shared.rouser.rouse();
        }
        released
    }

    /// Releases one claim; what the journal is to be told of goes to `gone`.
    fn release_claim(&self, claim: Claim, gone: &mut Vec<(u64, Queue, EntryId)>) -> Result<(), QueueError> {
        let (spool, mut hold) = self.held(claim)?;
        if let Grip::Kept = hold.grip {
            match spool.line.finish_kept(hold.place.id) {
                Some(Finished::InCur(file)) => hold.grip = Grip::File(file),
                kept => {
                    hold.grip = Grip::Gone;
                    let segment = kept.map_or(0, |kept| if let Finished::Kept(segment) = kept { segment } else { 0 });
                    gone.push((segment, spool.queue, hold.place.id));
                    return Ok(());
                }
            }
        }
        // The index first: nothing shall be left of the entry but its name in `cur`. Without it, an orphan is as well off.
        spool.forget(hold.place.id);
        spool.unlink_claimed(&hold)?;
        hold.finish();
        spool.cur.sync()
    }

    pub(super) fn give_back_claim(&self, claim: Claim) -> Result<(), QueueError> {
        let (spool, mut hold) = self.held(claim)?;
        if let Grip::Kept = hold.grip {
            hold.grip = match spool.line.put_back(hold.place.id) {
                Some(file) => Grip::File(file),
                None => Grip::Gone,
            };
        }
        if let Grip::Gone = hold.grip {
            return Ok(());
        }
        // Another process may claim it, and must find what had followed from it.
        self.shared.file(Which::All);
        let name = hold.place.name();
        match spool.cur.rename(&name, &spool.new, &name) {
            Ok(()) => hold.hand_on(),
            Err(Errno::NOENT) => hold.finish(), // an operator has removed it
            Err(errno) => return Err(spool.cur.failed("give back", &name, errno)),
        }
        Ok(())
    }

    pub(super) fn defer_claim(&self, claim: Claim, entry: &Entry) -> Result<(), QueueError> {
        let (spool, hold) = self.held(claim)?;
        let misuse = |what| QueueError::new("defer", hold.place.id, Kind::Misuse(what));
        if entry.id != hold.place.id || entry.queue != spool.queue {
            return Err(misuse("the entry that replaces a claimed one must have its id and queue"));
        }
        let bytes = encode(entry).map_err(|error| QueueError::new("encode", entry.id, error))?;
        let hold = self.as_file(spool, hold)?;
        let (state, place) = Place::of(entry);
        // From here on the index says whose turn it is should we die with both copies there: not that in `cur`.
        let tmp = spool.write_entry(place, &bytes)?;
        let (dir, name) = (spool.dir(state), place.name_in(state));
        if let Err(errno) = spool.tmp.rename(&tmp, dir, &name) {
            spool.tmp.discard(&tmp);
            spool.forget(place.id);
            return Err(dir.failed("rename to", &name, errno));
        }
        dir.sync().inspect_err(|_| {
            dir.discard(&name);
            spool.forget(place.id);
        })?;
        spool.unlink_claimed(&hold)?;
        hold.finish();
        match state {
            State::Deferred => spool.line.deferred([place]),
            _ => spool.line.arrived([place]),
        }
        Ok(())
    }

    pub(super) fn shunt_claim(&self, claim: Claim, why: &ShuntReason) -> Result<(), QueueError> {
        let (spool, hold) = self.held(claim)?;
        let hold = self.as_file(spool, hold)?;
        let name = hold.place.name();
        // The reason first: without the entry it is litter, the entry without its reason is a riddle.
        spool.write_why(State::Shunted, &name, why)?;
        match spool.cur.rename(&name, &spool.shunt, &name) {
            Ok(()) => {}
            Err(Errno::NOENT) => spool.shunt.discard(&why_name(&name)),
            Err(errno) => return Err(spool.cur.failed("shunt", &name, errno)),
        }
        hold.finish();
        spool.shunt.sync()
    }

    /// The claim with its message file in `cur`, whatever it was before.
    fn as_file(&self, spool: &Spool, mut hold: DiskHold) -> Result<DiskHold, QueueError> {
        if let Grip::Kept = hold.grip {
            if let Some(leaving) = spool.line.leave_claimed(hold.place.id) {
                self.shared.file_these(spool, vec![leaving])?;
            }
            if let Some(Finished::InCur(file)) = spool.line.finish_kept(hold.place.id) {
                hold.grip = Grip::File(file);
            }
        }
        Ok(hold)
    }

    /// What a claim of this backend holds, and the queue that it is of.
    fn held(&self, claim: Claim) -> Result<(&Spool, DiskHold), QueueError> {
        let spool = self.spool(claim.queue);
        match claim.hold {
            Hold::Disk(hold) if std::sync::Arc::ptr_eq(&hold.shared, &self.shared) => Ok((spool, hold)),
            _ => Err(QueueError::new("finish", claim.id, Kind::Misuse("the claim is of another queue backend"))),
        }
    }
}

impl Spool {
    fn unlink_claimed(&self, hold: &DiskHold) -> Result<(), QueueError> {
        let name = hold.place.name();
        match self.cur.unlink(&name) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(self.cur.failed("unlink", &name, errno)),
        }
    }
}
