//! Looking at a queue without touching it: figures from names alone, lists from names and first lines.

use std::collections::{BTreeSet, HashSet};

use listmill_queue_format::{Entry, EntryId, decode_head};
use rustix::io::Errno;

use super::names::{is_why_name, shown};
use super::setaside::CorruptReason;
use super::shared::Shared;
use super::spool::Spool;
use crate::lineup::Place;
use crate::oldest::Oldest;
use crate::{Listed, QueueError, QueueStatus, ShuntReason, State, clock};

/// No first line is longer (SPEC.md, limits); one byte more shows that one is.
const LINE_1: usize = (1 << 20) + 1;

/// The size of a message file, and its line 1 where that can be read.
type Glance = (u64, Option<Box<Entry>>);

impl Spool {
    /// Entries move while they are counted. They are counted in the order in which they move, so that one is rather
    /// counted twice than not at all; "nothing" is only believed when it is found twice.
    pub(super) fn status(&self, shared: &Shared) -> Result<QueueStatus, QueueError> {
        let status = self.count(shared)?;
        if status.depth + status.deferred > 0 { Ok(status) } else { self.count(shared) }
    }

    fn count(&self, shared: &Shared) -> Result<QueueStatus, QueueError> {
        // First, because what leaves a journal becomes a file.
        let mut in_journals = shared.in_journals(self.queue)?;
        let mut oldest: Option<u64> = None;
        let mut count = |state| {
            let mut count = 0_u64;
            let counted = self.all_places(state, |place| {
                count += 1;
                in_journals.remove(&place);
                if matches!(state, State::New | State::Claimed) {
                    oldest = Some(oldest.map_or(place.micros, |oldest| oldest.min(place.micros)));
                }
            });
            counted.map(|()| count)
        };
        let deferred = count(State::Deferred)?;
        let new = count(State::New)?;
        let claimed = count(State::Claimed)?;
        let shunted = count(State::Shunted)?;
        for place in &in_journals {
            oldest = Some(oldest.map_or(place.micros, |oldest| oldest.min(place.micros)));
        }
        let mut corrupt = 0;
        self.corrupt.for_each(|name, _| corrupt += u64::from(!is_why_name(name)))?;
        Ok(QueueStatus {
            queue: self.queue,
            depth: new + claimed + in_journals.len() as u64,
            claimed,
            deferred,
            shunted,
            corrupt,
            oldest_s: oldest.map(|oldest| clock::now().saturating_sub(oldest) / 1_000_000),
            unsent: 0,
            paused: self.is_paused()?,
        })
    }

    pub(super) fn list(&self, state: State, limit: usize) -> Result<Vec<Listed>, QueueError> {
        if state == State::Corrupt {
            return self.list_corrupt(limit);
        }
        let mut listed = Vec::new();
        for place in self.first_places(state, limit)? {
            let name = place.name_in(state);
            let here = self.line.find_kept(place.id).map(|(_, bytes)| bytes);
            let glance = match here {
                Some(bytes) => Some((bytes.len() as u64, decode_head(&bytes).ok().map(Box::new))),
                None => self.look_at(state, &name)?,
            };
            let Some((bytes, entry)) = glance else { continue };
            let why = if state == State::Shunted { self.read_why(state, &name) } else { None };
            let why = why.map(|why: ShuntReason| why.reason);
            listed.push(Listed { entry, name, bytes, at: clock::timestamp(place.micros), why });
        }
        Ok(listed)
    }

    /// Whether the entry with this id can be claimed or is claimed, as the shelf and the index have it.
    pub(super) fn waits(&self, id: EntryId) -> Result<bool, QueueError> {
        if self.line.keeps(id) {
            return Ok(true);
        }
        let indexed = self.indexed(id).map_err(|errno| self.ids.failed("look for", &id.to_string(), errno))?;
        Ok(indexed.is_some_and(|(state, _)| matches!(state, State::New | State::Claimed)))
    }

    /// The first places in the order of their turn: class by class, but by due time where they are deferred.
    fn first_places(&self, state: State, limit: usize) -> Result<Vec<Place>, QueueError> {
        let mut classes: Vec<Oldest> = Vec::new();
        classes.resize_with(10, || Oldest::new(limit));
        self.all_places(state, |place| {
            let class = if state == State::Deferred { 0 } else { usize::from(place.rank) };
            if let Some(class) = classes.get_mut(class) {
                class.insert(place, None);
            }
        })?;
        Ok(classes.iter().flat_map(Oldest::iter).take(limit).collect())
    }

    /// Every place in this state, whether it is a file's or in the journal.
    fn all_places(&self, state: State, mut each: impl FnMut(Place)) -> Result<(), QueueError> {
        let kept: HashSet<Place> = self.line.kept(state).into_iter().collect();
        kept.iter().for_each(|place| each(*place));
        self.places(state, |place| {
            if !kept.contains(&place) {
                each(place);
            }
        })
    }

    fn list_corrupt(&self, limit: usize) -> Result<Vec<Listed>, QueueError> {
        let mut names = BTreeSet::new();
        self.corrupt.for_each(|name, _| {
            if !is_why_name(name) {
                names.insert(name.to_owned());
                if names.len() > limit {
                    names.pop_last();
                }
            }
        })?;
        let mut listed = Vec::new();
        for raw in names {
            let name = shown(&raw);
            let bytes = self.corrupt.stat(raw.as_slice()).map_or(0, |stat| u64::try_from(stat.st_size).unwrap_or(0));
            let why: Option<CorruptReason> = self.read_why(State::Corrupt, &name);
            let at = why.as_ref().map(|why| why.at);
            listed.push(Listed { entry: None, name, bytes, at, why: why.map(|why| why.reason) });
        }
        Ok(listed)
    }

    /// Size and line 1 of a message file; `None` when it is gone meanwhile.
    fn look_at(&self, state: State, name: &str) -> Result<Option<Glance>, QueueError> {
        let dir = self.dir(state);
        let opened = match dir.open_entry(name) {
            Ok(opened) => opened,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(dir.failed("open", name, errno)),
        };
        let line =
            opened.read_line_1(LINE_1).map_err(|error| QueueError::os("read", dir.at(name.as_bytes()), error))?;
        Ok(Some((opened.size(), decode_head(&line).ok().map(Box::new))))
    }
}
