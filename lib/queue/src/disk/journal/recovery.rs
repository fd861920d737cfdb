//! What writers that died have left in their journals becomes files.

use std::collections::{HashMap, HashSet};
use std::io::ErrorKind;
use std::path::PathBuf;

use listmill_queue_format::{EntryId, Queue};

use super::record::{Record, scan};
use super::segment::{Directory, FIRST, Title, failed, sync_directory};
use crate::QueueError;
use crate::disk::dir::Dir;
use crate::disk::shared::Shared;
use crate::lineup::Place;

/// Where segments go that the disk has damaged.
const CORRUPT: &str = "corrupt";

/// The entries of a writer for which the journal is the only place.
type Left = HashMap<(Queue, EntryId), (Place, Vec<u8>)>;

/// What was found in the journal of a writer.
#[derive(Debug, Default)]
struct Found {
    left: Left,
    /// Segments that the disk has damaged.
    damaged: Vec<u64>,
}

impl Shared {
    /// Makes files of what writers that died have left, and removes their journals. What fails is reported and done again next time.
    pub(in crate::disk) fn recover(&self) {
        let directories = match self.writers() {
            Ok(directories) => directories,
            Err(error) => return tracing::warn!(%error, "failed to look for the journals of processes that died"),
        };
        for path in directories {
            match Directory::lock(&path) {
                Ok(None) => {} // its writer lives, or somebody else is at it
                Ok(Some(directory)) => {
                    if let Err(error) = self.recover_writer(directory) {
                        tracing::error!(%error, "failed to recover a journal");
                    }
                }
                Err(error) => tracing::warn!(%error, "failed to lock a journal"),
            }
        }
    }

    /// The places in this queue of the entries that are in the journal of another process and not yet files; of its own, this one knows.
    ///
    /// Read while it is written: what is there in parts has been promised to nobody, and a segment that has gone held nothing any more.
    pub(in crate::disk) fn in_journals(&self, queue: Queue) -> Result<HashSet<Place>, QueueError> {
        let mut places = HashSet::new();
        for path in self.writers()?.into_iter().filter(|path| !self.log.is_own(path)) {
            let at = |error| failed("read the journal", &path)(error);
            let Some(directory) = Directory::look(&path).map_err(at)? else { continue };
            let mut left = HashMap::new();
            for number in directory.segments().map_err(at)? {
                let bytes = match directory.read(number) {
                    Err(error) if error.kind() == ErrorKind::NotFound => continue,
                    bytes => bytes.map_err(at)?,
                };
                let Title::Salt(salt) = Title::of(&bytes) else { continue };
                for record in scan(&bytes, FIRST, salt).records {
                    match record {
                        Record::Put(name, place, _) if name == queue.name() => drop(left.insert(place.id, place)),
                        Record::Gone(name, id) if name == queue.name() => drop(left.remove(&id)),
                        _ => {}
                    }
                }
            }
            places.extend(left.into_values());
        }
        Ok(places)
    }

    fn writers(&self) -> Result<Vec<PathBuf>, QueueError> {
        let mut writers = Vec::new();
        self.journal.for_each(|name, _| {
            if let (Ok(name), true) = (std::str::from_utf8(name), name.first().is_some_and(u8::is_ascii_digit)) {
                writers.push(self.journal.path().join(name));
            }
        })?;
        Ok(writers)
    }

    fn recover_writer(&self, directory: Directory) -> Result<(), QueueError> {
        let at = |error| failed("recover the journal", &directory.path)(error);
        let numbers = directory.segments().map_err(at)?;
        let Some(found) = read(&directory, &numbers).map_err(at)? else {
            if self.is_news(&directory.path) {
                tracing::error!(journal = %directory.path.display(), "a newer version wrote this journal: it is left to that");
            }
            return Ok(());
        };
        if !found.left.is_empty() {
            let entries = found.left.len();
            tracing::warn!(entries, "the journal of a process that died is read: its entries become files");
        }
        self.put_left(found.left)?;
        for number in found.damaged {
            self.set_segment_aside(&directory, number)?;
        }
        for number in numbers {
            directory.remove(number).map_err(at)?;
        }
        let path = directory.path.clone();
        directory.dissolve().and_then(|()| sync_directory(self.journal.path())).map_err(failed("remove", &path))
    }

    /// Puts what is left, each at its old place, as far as it is not there.
    fn put_left(&self, left: Left) -> Result<(), QueueError> {
        let mut left: Vec<_> = left.into_iter().collect();
        left.sort_unstable_by_key(|(_, (place, _))| *place);
        let mut dirs: Vec<&Dir> = Vec::new();
        for ((queue, id), (place, bytes)) in left {
            let spool = self.spool(queue);
            if spool.line.keeps(id) {
                continue; // put again meanwhile
            }
            let dir = match spool.indexed(id).map_err(|errno| spool.ids.failed("look up", &id.to_string(), errno))? {
                Some((state, _)) => spool.dir(state), // filed, and nobody could note it
                None => {
                    // Whether somebody had it in hand, the journal does not tell.
                    let (tmp, name) = (spool.write_tried(place, &bytes, 1)?, place.name());
                    spool.tmp.rename(&tmp, &spool.new, &name).map_err(|errno| {
                        spool.tmp.discard(&tmp);
                        spool.forget(id);
                        spool.new.failed("rename to", &name, errno)
                    })?;
                    spool.line.arrived([place]);
                    &spool.new
                }
            };
            if !dirs.iter().any(|known| std::ptr::eq(*known, dir)) {
                dirs.push(dir);
            }
        }
        dirs.into_iter().try_for_each(Dir::sync)
    }

    /// Keeps a damaged segment for a person: what can be read of it is in the queues.
    fn set_segment_aside(&self, directory: &Directory, number: u64) -> Result<(), QueueError> {
        let corrupt = Dir::open(&self.journal.path().join(CORRUPT))?;
        let name = directory.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let to = corrupt.path().join(format!("{name}.{number:08}"));
        directory.set_aside(number, &to).map_err(failed("set aside the damaged", &to))?;
        tracing::error!(file = %to.display(), "the disk has damaged a journal; what can be read of it is in its queues");
        corrupt.sync()
    }
}

/// Reads the segments of a writer in their order; `None` when a newer version wrote them.
fn read(directory: &Directory, numbers: &[u64]) -> std::io::Result<Option<Found>> {
    let mut found = Found::default();
    for number in numbers {
        let bytes = directory.read(*number)?;
        let salt = match Title::of(&bytes) {
            Title::Salt(salt) => salt,
            Title::Newer => return Ok(None),
            Title::Missing => continue, // the power failed while it was begun: nobody was told of anything in it
            Title::Damaged => {
                found.damaged.push(*number);
                continue;
            }
        };
        let scan = scan(&bytes, FIRST, salt);
        if !found.replay(&scan.records) {
            return Ok(None);
        }
        if !scan.damaged.is_empty() {
            found.damaged.push(*number);
        }
        if let Some(at) = scan.torn {
            let segment = directory.path.display();
            tracing::warn!(%segment, number, at, "a journal ends in the middle of a record, which nobody was told is stored");
        }
    }
    Ok(Some(found))
}

impl Found {
    /// Reads the records of a segment, on top of what the ones before it have left; `false` when they name a queue that this version has not.
    fn replay(&mut self, records: &[Record<'_>]) -> bool {
        for record in records {
            let (queue, put) = match *record {
                Record::Put(queue, place, file) => (queue.parse::<Queue>(), Ok((place, file))),
                Record::Gone(queue, id) => (queue.parse(), Err(id)),
                Record::Durable(_) => continue,
            };
            let Ok(queue) = queue else { return false };
            match put {
                Ok((place, file)) => drop(self.left.insert((queue, place.id), (place, file.to_owned()))),
                Err(id) => drop(self.left.remove(&(queue, id))),
            }
        }
        true
    }
}
