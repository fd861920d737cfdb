//! What an operator does to single entries: find, retry, remove.

use listmill_queue_format::EntryId;
use rustix::io::Errno;

use super::names::{corrupt_id, why_name};
use super::queues::DiskQueues;
use super::spool::Spool;
use crate::lineup::Place;
use crate::{Found, QueueError, State, clock};

/// An entry that is looked for may move meanwhile; then it is looked for again, so often.
const ATTEMPTS: usize = 4;

impl DiskQueues {
    pub(super) fn remove_from(&self, spool: &Spool, id: EntryId) -> Result<bool, QueueError> {
        let Some(segment) = spool.line.take_away(id) else { return spool.remove(id) };
        let log = &self.shared.log;
        log.gone([(segment, spool.queue, id)]);
        log.put(&[]).map_err(|errno| QueueError::os("sync the journal", log.root().display(), errno.into()))?;
        Ok(true)
    }
}

impl Spool {
    pub(super) fn find(&self, id: EntryId) -> Result<Option<Found>, QueueError> {
        if let Some((state, bytes)) = self.line.find_kept(id) {
            return Ok(Some(Found { queue: self.queue, state, bytes: bytes.to_vec(), why: None }));
        }
        for _ in 0..ATTEMPTS {
            let Some((state, name)) = self.whereabouts(id)? else { return Ok(None) };
            let opened = match self.dir(state).open_entry(&name) {
                Ok(opened) => opened,
                Err(Errno::NOENT) => continue,
                Err(errno) => return Err(self.dir(state).failed("open", &name, errno)),
            };
            let bytes =
                opened.read().map_err(|error| QueueError::os("read", self.dir(state).at(name.as_bytes()), error))?;
            let why = if state == State::Shunted { self.read_why(state, &name) } else { None };
            return Ok(Some(Found { queue: self.queue, state, bytes, why }));
        }
        Ok(None)
    }

    pub(super) fn retry(&self, id: EntryId) -> Result<bool, QueueError> {
        for _ in 0..ATTEMPTS {
            let Some((state @ (State::Shunted | State::Deferred), old)) = self.locate(id)? else { return Ok(false) };
            let place = Place { micros: clock::next(), ..old };
            let (dir, name) = (self.dir(state), old.name_in(state));
            self.index(dir, &name, place)?;
            match dir.rename(&name, &self.new, &place.name()) {
                Ok(()) => {}
                Err(Errno::NOENT) => continue,
                Err(errno) => return Err(dir.failed("rename", &name, errno)),
            }
            if state == State::Shunted {
                dir.discard(&why_name(&name));
            }
            self.new.sync()?;
            self.line.returned(place);
            return Ok(true);
        }
        Ok(false)
    }

    pub(super) fn remove(&self, id: EntryId) -> Result<bool, QueueError> {
        for _ in 0..ATTEMPTS {
            let Some((state, name)) = self.whereabouts(id)? else { return Ok(false) };
            let dir = self.dir(state);
            // Under its lock, so that nobody has just claimed it.
            let opened = match dir.open_entry(&name) {
                Ok(opened) => opened,
                Err(Errno::NOENT) => continue,
                Err(errno) => return Err(dir.failed("open", &name, errno)),
            };
            if state == State::Claimed || !opened.try_lock().map_err(|errno| dir.failed("lock", &name, errno))? {
                return Ok(false);
            }
            match dir.unlink(&name) {
                Ok(()) => {}
                Err(Errno::NOENT) => continue,
                Err(errno) => return Err(dir.failed("unlink", &name, errno)),
            }
            dir.discard(&why_name(&name));
            self.forget(id);
            dir.sync()?;
            return Ok(true);
        }
        Ok(false)
    }

    /// The state and file name of an entry, a corrupt one included whose name still tells the id.
    fn whereabouts(&self, id: EntryId) -> Result<Option<(State, String)>, QueueError> {
        if let Some((state, place)) = self.locate(id)? {
            return Ok(Some((state, place.name_in(state))));
        }
        let mut found = None;
        self.corrupt.for_each(|name, _| {
            if corrupt_id(name) == Some(id)
                && let Ok(name) = std::str::from_utf8(name)
            {
                found = Some((State::Corrupt, name.to_owned()));
            }
        })?;
        Ok(found)
    }
}
