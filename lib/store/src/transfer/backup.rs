//! A store in one file: as it was at one moment, checked before it is believed.
//!
//! JSON, a line each: the head, every [`Record`] in the order in which a store is filled, and the end, which says how many there are and what
//! the digest of all lines before it is. A file without its end is not one.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use listmill_core::{ListAddress, Timestamp, Unavailable};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::copy::{Copied, CopyError, Filling, each_page, page_of};
use super::{Record, Table, Transfer};

/// The form of the file; a reader knows this one and those before it.
const VERSION: u32 = 1;

/// A backup that was looked through and is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    path: PathBuf,
    /// When it was made.
    pub made: Timestamp,
    /// The release of listmill that made it.
    pub release: String,
    /// How many records it has.
    pub records: u64,
    digest: String,
}

/// Why there is no backup, or why one is not taken back.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The store cannot be read.
    #[error("the store cannot be read: {0}; try again")]
    Store(Unavailable),
    /// It cannot be written.
    #[error("the backup cannot be written: {0}")]
    Write(io::Error),
    /// It cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is something else.
    #[error("{} is not a backup of listmill", .0.display())]
    Other(PathBuf),
    /// A newer release has made it.
    #[error("{} has version {version}, and this release knows those up to {VERSION}: use a newer one", path.display())]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// Some of it is missing, or is not what was written.
    #[error("{}, line {line}: {why}; the backup is damaged, use another one", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where.
        line: u64,
        /// What is wrong.
        why: String,
    },
    /// It cannot be put into the store.
    #[error(transparent)]
    Fill(#[from] CopyError),
}

/// A line of the file.
#[expect(clippy::large_enum_variant, reason = "there is one at a time, and nearly all are records")]
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line<'a> {
    ListmillBackup(Head),
    Record(Cow<'a, Record>),
    End(End),
}

#[derive(Debug, Serialize, Deserialize)]
struct Head {
    version: u32,
    made: Timestamp,
    release: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct End {
    records: u64,
    /// SHA-256 of all lines before, in hexadecimal digits.
    sha256: String,
}

/// Writes everything that is in `store` at one moment; says how many records.
///
/// # Errors
/// The store cannot be read, or `to` not written; what was written until then has no end, and is no backup.
pub fn back_up(store: &dyn Transfer, made: Timestamp, release: &str, to: &mut dyn Write) -> Result<u64, BackupError> {
    let mut sealed = Sealed { to, digest: Sha256::new(), records: 0 };
    let head = Head { version: VERSION, made, release: release.to_owned() };
    sealed.line(&Line::ListmillBackup(head)).map_err(BackupError::Write)?;
    let mut written = Ok(());
    let seen = store.at_one_moment(&mut |store| {
        written = Table::ALL.into_iter().try_for_each(|table| {
            each_page(store, table, BackupError::Store, |page| sealed.page(page).map_err(BackupError::Write))
        });
    });
    written?;
    seen.map_err(BackupError::Store)?;
    sealed.end().map_err(BackupError::Write)
}

/// Whether a line of a backup is its end.
pub(crate) fn is_last(line: &[u8]) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        ListmillBackup(IgnoredAny),
        Record(IgnoredAny),
        End(IgnoredAny),
    }
    matches!(serde_json::from_slice(line), Ok(Kind::End(_)))
}

/// What is written, with the digest of it.
struct Sealed<'a> {
    to: &'a mut dyn Write,
    digest: Sha256,
    records: u64,
}

impl Sealed<'_> {
    fn page(&mut self, page: &[Record]) -> io::Result<()> {
        self.records += page.len() as u64;
        page.iter().try_for_each(|record| self.line(&Line::Record(Cow::Borrowed(record))))
    }

    fn line(&mut self, line: &Line<'_>) -> io::Result<()> {
        let mut text = serde_json::to_vec(line).map_err(io::Error::other)?;
        text.push(b'\n');
        self.digest.update(&text);
        self.to.write_all(&text)
    }

    fn end(mut self) -> io::Result<u64> {
        let sha256 = hex(&self.digest);
        self.line(&Line::End(End { records: self.records, sha256 }))?;
        self.to.flush()?;
        Ok(self.records)
    }
}

impl Backup {
    /// Looks through the whole file.
    ///
    /// # Errors
    /// It is no backup that this release can take back.
    pub fn check(path: &Path) -> Result<Backup, BackupError> {
        Backup::read(path, |_, _| Ok(()))
    }

    /// Puts everything into `to`, which must be empty, and compares what has arrived. `progress` is told of each page: the table, and how many of
    /// its records are there.
    ///
    /// # Errors
    /// See [`BackupError`]; what the store has then is of no use.
    pub fn fill(&self, to: &dyn Transfer, mut progress: impl FnMut(Table, u64)) -> Result<Copied, BackupError> {
        let mut filling = Filling::begin(to)?;
        let read = Backup::read(&self.path, |table, page| {
            progress(table, filling.take(table, page)?);
            Ok(())
        })?;
        if read != *self {
            return Err(self.damaged(0, "it has changed since it was looked through"));
        }
        Ok(filling.finish()?)
    }

    fn damaged(&self, line: u64, why: &str) -> BackupError {
        BackupError::Damaged { path: self.path.clone(), line, why: why.to_owned() }
    }

    fn read(
        path: &Path,
        mut visit: impl FnMut(Table, &[Record]) -> Result<(), BackupError>,
    ) -> Result<Backup, BackupError> {
        let mut lines = Lines::open(path)?;
        let head = lines.head()?;
        let mut page = Page::default();
        let mut records = 0;
        loop {
            match lines.next()? {
                Some(Line::Record(record)) => {
                    records += 1;
                    let (table, list) = record.place();
                    if !page.takes(table, list) {
                        page.hand_on(&mut visit)?;
                        if page.at.as_ref().is_some_and(|(last, _)| last.position() > table.position()) {
                            return Err(lines.damaged("a record is in the wrong place"));
                        }
                        page.at = Some((table, list.cloned()));
                    }
                    page.records.push(record.into_owned());
                }
                Some(Line::End(end)) if end.records == records && end.sha256 == hex(&lines.before) => break,
                Some(Line::End(_)) => return Err(lines.damaged("what stands before the end is not what was written")),
                Some(Line::ListmillBackup(_)) => return Err(lines.damaged("a second head")),
                None => return Err(lines.damaged("it has no end: it was not finished, or is cut short")),
            }
        }
        page.hand_on(&mut visit)?;
        let digest = hex(&lines.digest);
        if lines.next()?.is_some() {
            return Err(lines.damaged("something stands behind the end"));
        }
        Ok(Backup { path: path.to_owned(), made: head.made, release: head.release, records, digest })
    }
}

fn hex(digest: &Sha256) -> String {
    HEXLOWER.encode(&digest.clone().finalize())
}

/// Records that a store takes together.
#[derive(Default)]
struct Page {
    at: Option<(Table, Option<ListAddress>)>,
    records: Vec<Record>,
}

impl Page {
    /// Another of this table and list goes with them.
    fn takes(&self, table: Table, list: Option<&ListAddress>) -> bool {
        self.at.as_ref().is_some_and(|(at, of)| *at == table && of.as_ref() == list)
            && self.records.len() < page_of(table)
    }

    fn hand_on(
        &mut self,
        visit: &mut impl FnMut(Table, &[Record]) -> Result<(), BackupError>,
    ) -> Result<(), BackupError> {
        let Some((table, _)) = self.at else { return Ok(()) };
        if !self.records.is_empty() {
            visit(table, &self.records)?;
            self.records.clear();
        }
        Ok(())
    }
}

/// The lines of a file, one after the other.
struct Lines {
    path: PathBuf,
    file: BufReader<File>,
    number: u64,
    /// Of all that were read, and of all but the last.
    digest: Sha256,
    before: Sha256,
    line: Vec<u8>,
}

impl Lines {
    fn open(path: &Path) -> Result<Lines, BackupError> {
        let file = File::open(path).map_err(|source| BackupError::Read { path: path.to_owned(), source })?;
        let file = BufReader::with_capacity(1 << 20, file);
        Ok(Lines {
            path: path.to_owned(),
            file,
            number: 0,
            digest: Sha256::new(),
            before: Sha256::new(),
            line: Vec::new(),
        })
    }

    fn head(&mut self) -> Result<Head, BackupError> {
        let first = match self.next() {
            Err(BackupError::Damaged { .. }) | Ok(None) => return Err(BackupError::Other(self.path.clone())),
            first => first?,
        };
        match first {
            Some(Line::ListmillBackup(head)) if head.version > VERSION => {
                Err(BackupError::Newer { path: self.path.clone(), version: head.version })
            }
            Some(Line::ListmillBackup(head)) => Ok(head),
            _ => Err(BackupError::Other(self.path.clone())),
        }
    }

    fn next(&mut self) -> Result<Option<Line<'static>>, BackupError> {
        self.line.clear();
        let read = self.file.read_until(b'\n', &mut self.line);
        let length = read.map_err(|source| BackupError::Read { path: self.path.clone(), source })?;
        if length == 0 {
            return Ok(None);
        }
        self.number += 1;
        self.before.clone_from(&self.digest);
        self.digest.update(&self.line);
        serde_json::from_slice(&self.line).map(Some).map_err(|error| self.damaged(&error.to_string()))
    }

    fn damaged(&self, why: &str) -> BackupError {
        BackupError::Damaged { path: self.path.clone(), line: self.number, why: why.to_owned() }
    }
}
