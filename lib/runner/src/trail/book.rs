//! Writing the trail: a file a day, more when one is full, the oldest gone when it is time or there are too many.

use std::borrow::Cow;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use listmill_queue_format::{Entry, Outcome, Queue};

use super::line::id_of;
use super::{Said, Step, TrailLine, mark};

/// How the trail is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailConfig {
    /// For how long; zero: no trail is kept.
    pub keep: SignedDuration,
    /// Octets of all its files.
    pub max_size: u64,
    /// Recipients are named; else only marked. A host without a store keeps no addresses beyond the entries that pass through it.
    pub names: bool,
}

/// So many files share the space: the oldest of them goes at once.
const PARTS: u64 = 8;
/// Recipients of one line.
const LINE: usize = 1000;

/// The trail of this host; clones are the same one. The default keeps nothing.
#[derive(Debug, Clone, Default)]
pub struct Trail(Option<Arc<Book>>);

#[derive(Debug)]
struct Book {
    dir: PathBuf,
    config: TrailConfig,
    page: Mutex<Option<Page>>,
    lost: AtomicU64,
}

/// The file that is being written.
#[derive(Debug)]
struct Page {
    file: File,
    day: Date,
    /// The last write ended in the middle of a line.
    torn: bool,
}

impl Trail {
    /// The trail in this directory, which is made when there is something to write.
    pub fn new(dir: &Path, config: TrailConfig) -> Trail {
        let book = Book { dir: dir.to_owned(), config, page: Mutex::default(), lost: AtomicU64::new(0) };
        Trail((!book.config.keep.is_zero()).then(|| Arc::new(book)))
    }

    /// Lines that could not be written since the process started.
    pub fn lost(&self) -> u64 {
        self.0.as_ref().map_or(0, |book| book.lost.load(Ordering::Relaxed))
    }

    /// Notes what was done with an entry, and what was said about its recipients.
    pub(crate) fn note(
        &self,
        entry: &Entry,
        runner: Queue,
        did: &[Step],
        outcomes: &[(usize, Outcome)],
        at: Timestamp,
    ) {
        let Some(book) = &self.0 else { return };
        // A stroke of the clock is no message; and of a page of which everybody was served the replies say it all.
        if entry.message.is_empty() || (did.is_empty() && outcomes.is_empty()) {
            return;
        }
        let mid = id_of(entry);
        let said: Vec<Said> = outcomes.iter().filter_map(|outcome| said(&book.config, &mid, entry, outcome)).collect();
        let mut parts: Vec<&[Said]> = said.chunks(LINE).collect();
        let last = parts.pop().unwrap_or_default();
        let line = |did: &[Step], said: &[Said]| TrailLine {
            mid: mid.clone(),
            entry: entry.id,
            at,
            runner,
            list: entry.list.clone().unwrap_or_default(),
            attempts: entry.attempts,
            did: did.to_vec(),
            said: said.to_vec(),
        };
        parts.into_iter().for_each(|said| book.write(&line(&[], said)));
        book.write(&line(did, last));
    }
}

fn said(config: &TrailConfig, mid: &str, entry: &Entry, (place, outcome): &(usize, Outcome)) -> Option<Said> {
    let address = &entry.recipients.get(*place)?.address;
    Some(Said::of(address, (!config.names).then(|| mark(mid, address)), outcome))
}

impl Book {
    fn write(&self, line: &TrailLine) {
        let written = serde_json::to_vec(line).map_err(io::Error::other).and_then(|mut bytes| {
            bytes.push(b'\n');
            self.append(&bytes, line.at.to_zoned(TimeZone::UTC).date())
        });
        if let Err(error) = written
            && self.lost.fetch_add(1, Ordering::Relaxed).is_multiple_of(1000)
        {
            tracing::warn!(
                "the trail in {} cannot be written, `listmill trace` will lack lines: {error}",
                self.dir.display()
            );
        }
    }

    fn append(&self, bytes: &[u8], day: Date) -> io::Result<()> {
        let mut page = self.page.lock().unwrap_or_else(PoisonError::into_inner);
        let is_good = page.as_ref().is_some_and(|page| page.day == day && page.has_room(self.part()));
        if !is_good {
            *page = None;
            *page = Some(self.turn(day)?);
        }
        let page = page.as_mut().expect("there is a page now");
        let whole = if std::mem::take(&mut page.torn) { Cow::Owned([b"\n", bytes].concat()) } else { bytes.into() };
        let written = page.file.write(&whole);
        if !matches!(written, Ok(length) if length == whole.len()) {
            page.torn = true;
            return Err(written.err().unwrap_or_else(|| io::ErrorKind::StorageFull.into()));
        }
        Ok(())
    }

    /// Octets of one file.
    fn part(&self) -> u64 {
        (self.config.max_size / PARTS).max(1)
    }

    /// Opens the file for this day, and lets go of what is too old or too much.
    fn turn(&self, day: Date) -> io::Result<Page> {
        fs::create_dir_all(&self.dir)?;
        let mut files = files(&self.dir)?;
        let today = day.to_string();
        let last = files.iter().rev().find(|file| file.day == today).map(|file| (file.part, file.size));
        let part = match last {
            Some((part, size)) if size < self.part() => part,
            Some((part, _)) => part + 1,
            None => 1,
        };
        self.sweep(&mut files, day);
        let path = self.dir.join(format!("{today}.{part:04}.jsonl"));
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
        // The process that wrote last may have been killed in the middle of a line; an empty one costs nothing.
        let torn = file.metadata()?.len() > 0;
        Ok(Page { file, day, torn })
    }

    fn sweep(&self, files: &mut Vec<TrailFile>, day: Date) {
        let oldest = day.saturating_sub(self.config.keep).to_string();
        // A part that is being written may grow to its size.
        let room = self.config.max_size.saturating_sub(self.part());
        let mut sum: u64 = files.iter().map(|file| file.size).sum();
        for file in files.drain(..) {
            if file.day >= oldest && sum <= room {
                break;
            }
            sum -= file.size;
            if let Err(error) = fs::remove_file(&file.path)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!("{} cannot be removed: {error}", file.path.display());
            }
        }
    }
}

impl Page {
    /// It is still there, and may grow.
    fn has_room(&self, part: u64) -> bool {
        self.file.metadata().is_ok_and(|metadata| metadata.nlink() > 0 && metadata.len() < part)
    }
}

/// One file of a trail.
#[derive(Debug)]
pub(super) struct TrailFile {
    pub(super) path: PathBuf,
    day: String,
    part: u32,
    size: u64,
}

/// The files of a trail in the order of time; what else lies there is none of them. A directory that is not there has none.
pub(super) fn files(dir: &Path) -> io::Result<Vec<TrailFile>> {
    let mut files = Vec::new();
    let found = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(files),
        found => found?,
    };
    for entry in found {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some((day, part)) = name.strip_suffix(".jsonl").and_then(|name| name.split_once('.')) else { continue };
        let (Ok(_), Ok(part)) = (day.parse::<Date>(), part.parse()) else { continue };
        // It may have gone meanwhile.
        let Ok(size) = entry.metadata().map(|metadata| metadata.len()) else { continue };
        files.push(TrailFile { path: entry.path(), day: day.to_owned(), part, size });
    }
    files.sort_by(|one, other| (&one.day, one.part).cmp(&(&other.day, other.part)));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use listmill_queue_format::{EntryId, Envelope};

    use super::*;

    fn entry() -> Entry {
        let id = EntryId::fresh(Timestamp::UNIX_EPOCH, *b"0123456789");
        let message = b"Message-ID: <1@example.net>\r\n\r\nx\r\n".as_slice().into();
        Entry::arrived(id, Timestamp::UNIX_EPOCH, Envelope::default(), message)
    }

    fn config(days: i64, max_size: u64) -> TrailConfig {
        TrailConfig { keep: SignedDuration::from_hours(24 * days), max_size, names: true }
    }

    fn note(trail: &Trail, at: &str) {
        trail.note(&entry(), Queue::Auth, &[Step::of("discard", "x")], &[], format!("{at}Z").parse().unwrap());
    }

    fn names(dir: &Path) -> Vec<String> {
        let name = |file: TrailFile| file.path.file_name().unwrap().to_string_lossy().into_owned();
        files(dir).unwrap().into_iter().map(name).collect()
    }

    #[test]
    fn days_go_when_their_time_is_over_and_nothing_else_does() {
        let dir = tempfile::TempDir::new().unwrap();
        fs::write(dir.path().join("notes.txt"), "mine").unwrap();
        let trail = Trail::new(dir.path(), config(2, 1 << 20));
        for day in ["2026-11-20T23:59:59", "2026-11-21T00:00:00", "2026-11-22T12:00:00", "2026-11-23T00:00:01"] {
            note(&trail, day);
        }
        assert_eq!(names(dir.path()), ["2026-11-21.0001.jsonl", "2026-11-22.0001.jsonl", "2026-11-23.0001.jsonl"]);
        assert!(dir.path().join("notes.txt").exists());
        assert_eq!(trail.lost(), 0);
    }

    #[test]
    fn its_size_is_bounded_and_what_is_new_is_kept() {
        let dir = tempfile::TempDir::new().unwrap();
        let trail = Trail::new(dir.path(), config(14, 8_000));
        for second in 10..60 {
            note(&trail, &format!("2026-11-22T12:00:{second}"));
        }
        let files = files(dir.path()).unwrap();
        assert!(files.iter().map(|file| file.size).sum::<u64>() <= 8_000 + 400, "{files:?}");
        assert!(files.len() > 4, "{files:?}");
        let last = fs::read_to_string(&files.last().unwrap().path).unwrap();
        assert!(last.contains("12:00:59"), "{last}");
        // Somebody takes the file away: it is begun again.
        fs::remove_file(&files.last().unwrap().path).unwrap();
        note(&trail, "2026-11-22T12:01:00");
        assert!(names(dir.path()).len() >= files.len() && trail.lost() == 0);
    }

    #[test]
    fn without_a_place_lines_are_counted_and_nothing_fails() {
        let dir = tempfile::TempDir::new().unwrap();
        fs::write(dir.path().join("trail"), "a file").unwrap();
        let trail = Trail::new(&dir.path().join("trail"), config(1, 1000));
        note(&trail, "2026-11-22T12:00:00");
        assert_eq!(trail.lost(), 1);
        let off = Trail::new(dir.path(), config(0, 1000));
        note(&off, "2026-11-22T12:00:00");
        assert!(names(dir.path()).is_empty() && off.lost() == 0);
    }
}
