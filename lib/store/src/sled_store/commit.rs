//! A batch of changes: recorded as applied, applied, written down, and its outgoing entries kept.

use listmill_core::{AuditRecord, Commit, Committed, MessageFile, StoreChange, Unavailable};
use listmill_queue_format::EntryId;

use super::apply::Application;
use super::engine::{Changes, Engine, Fault};
use super::files::MessageFiles;
use super::maps;
use super::prune::applied_value;
use crate::blocks::{Pages, Pair};

/// What became of a batch when it was made.
enum Made {
    /// It is this one; `dropped`: the records of message files that nobody needs any more once it is durable.
    Now { batch: u64, dropped: Vec<Vec<u8>> },
    /// There was one of this id.
    Before,
}

impl Engine {
    /// See [`Store::commit`](crate::Store::commit).
    pub(super) fn commit(&self, commit: &Commit) -> Result<Committed, Fault> {
        let mut committed = self.commit_all(std::slice::from_ref(commit))?;
        committed.pop().expect("each batch has an answer")
    }

    /// See [`Store::commit_all`](crate::Store::commit_all). One wait makes durable whatever they have seen, theirs and others'.
    pub(super) fn commit_all(&self, commits: &[Commit]) -> Result<Vec<Result<Committed, Fault>>, Fault> {
        let made: Vec<Result<Made, Fault>> = commits.iter().map(|commit| self.make_commit(commit)).collect();
        if made.iter().any(|made| matches!(made, Err(Fault::Refused(_)))) {
            // It may be refused for what is made and cannot be read yet: whoever decides again is to see that.
            self.wait_all_durable()?;
        }
        let last =
            made.iter().filter_map(|made| if let Ok(Made::Now { batch, .. }) = made { Some(*batch) } else { None });
        last.max().map_or(Ok(()), |last| self.wait_durable(last))?;
        let mut committed = Vec::with_capacity(made.len());
        for (made, commit) in made.into_iter().zip(commits) {
            committed.push(match self.committed(made, commit.id) {
                Err(broken @ Fault::Broken(_)) => return Err(broken),
                other => other,
            });
        }
        Ok(committed)
    }

    /// What is said of a batch that is durable.
    fn committed(&self, made: Result<Made, Fault>, id: EntryId) -> Result<Committed, Fault> {
        match made? {
            Made::Now { dropped, .. } => {
                self.files.forget(&dropped);
                Ok(Committed::Now)
            }
            Made::Before => self.left_of(id).map(Committed::Before),
        }
    }

    /// Makes a batch, which is durable when somebody has waited for it.
    fn make_commit(&self, commit: &Commit) -> Result<Made, Fault> {
        if self.is_applied(commit.id)? {
            return Ok(Made::Before);
        }
        let held = commit.changes.iter().filter_map(|change| match change {
            StoreChange::Hold { file, .. } => Some(file),
            _ => None,
        });
        let records = self.files.keep(commit.id, commit.outgoing.iter().chain(held))?;
        let made = self.make(|draft: &mut Changes<'_>, pruning| {
            if maps::applied().get(draft, commit.id.as_bytes())?.is_some() {
                return Ok(None);
            }
            pruning.step(draft, commit.at)?;
            apply(draft, commit, &records).map(Some)
        });
        match made {
            Ok((Some(dropped), batch)) => Ok(Made::Now { dropped, batch }),
            // Another thread was faster with the same batch, and the files are its own.
            Ok((None, _)) => Ok(Made::Before),
            Err(error) => {
                if !matches!(error, Fault::Broken(_)) {
                    self.files.forget(&records);
                }
                Err(error)
            }
        }
    }

    /// See [`Store::applied`](crate::Store::applied).
    pub(super) fn applied(&self, id: EntryId) -> Result<Option<Vec<MessageFile>>, Fault> {
        if self.is_applied(id)? { self.left_of(id).map(Some) } else { Ok(None) }
    }

    fn is_applied(&self, id: EntryId) -> Result<bool, Unavailable> {
        Ok(self.read(|disk| maps::applied().get(&disk, id.as_bytes()))?.is_some())
    }

    /// What is still in the outbox of a batch that is applied.
    fn left_of(&self, id: EntryId) -> Result<Vec<MessageFile>, Fault> {
        // By another thread, it may be; then it counts only when it is durable.
        self.wait_all_durable()?;
        let records = self.read(|disk| outbox_of(&disk, id.as_bytes()))?;
        Ok(self.outgoing(&records)?.unwrap_or_default())
    }

    /// See [`Store::outbox_done`](crate::Store::outbox_done).
    pub(super) fn outbox_done(&self, id: EntryId) -> Result<(), Fault> {
        let (gone, batch) = self.write_soon(|draft, _| {
            let gone = outbox_of(draft, id.as_bytes())?;
            for (key, _) in &gone {
                maps::outbox().remove(draft, key)?;
            }
            Ok(gone)
        })?;
        // A record that comes back after a power cut is sent again under the same ids, which is harmless, as long as its files are there.
        if gone.iter().any(|(_, record)| MessageFiles::is_named(record)) {
            self.wait_durable(batch)?;
            self.files.forget(gone.iter().map(|(_, record)| record));
        }
        Ok(())
    }

    /// See [`Store::outbox`](crate::Store::outbox).
    pub(super) fn outbox(&self, limit: usize) -> Result<Vec<(EntryId, Vec<MessageFile>)>, Unavailable> {
        self.outbox_behind(None, limit)
    }

    /// The batches behind this key of the outbox.
    pub(super) fn outbox_behind(
        &self,
        mut after: Option<Vec<u8>>,
        limit: usize,
    ) -> Result<Vec<(EntryId, Vec<MessageFile>)>, Unavailable> {
        let mut found = Vec::new();
        while found.len() < limit {
            let next = self.read(|disk| {
                let Some((key, _)) = maps::outbox().page(&disk, after.as_deref(), 1)?.pop() else { return Ok(None) };
                let id = entry_id(&key)?;
                Ok(Some((id, outbox_of(&disk, id.as_bytes())?)))
            })?;
            let Some((id, records)) = next else { break };
            after = records.last().map(|(key, _)| key.clone());
            // A batch whose files are gone was done with a moment ago.
            if let Some(outgoing) = self.outgoing(&records)? {
                found.push((id, outgoing));
            }
        }
        Ok(found)
    }

    fn outgoing(&self, records: &[Pair]) -> Result<Option<Vec<MessageFile>>, Unavailable> {
        records.iter().map(|(_, record)| self.files.read(record)).collect()
    }
}

/// What the outbox keeps of one batch, in order.
pub(super) fn outbox_of(pages: &impl Pages, id: &[u8]) -> Result<Vec<Pair>, Unavailable> {
    let mut found: Vec<Pair> = Vec::new();
    loop {
        let after = found.last().map_or(id, |(key, _)| key);
        let page = maps::outbox().page(pages, Some(after), 16)?;
        let all = page.iter().all(|(key, _)| key.starts_with(id)) && !page.is_empty();
        found.extend(page.into_iter().take_while(|(key, _)| key.starts_with(id)));
        if !all {
            return Ok(found);
        }
    }
}

fn entry_id(key: &[u8]) -> Result<EntryId, Unavailable> {
    let bytes = key.first_chunk::<16>().ok_or_else(|| maps::damaged("outbox", "its key is too short"))?;
    Ok(EntryId::from_bytes(*bytes))
}

/// Applies a batch to a draft; gives the records of message files that are not needed any more.
fn apply(draft: &mut Changes<'_>, commit: &Commit, records: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, Fault> {
    let (outgoing, held) = records.split_at(commit.outgoing.len());
    let mut application = Application::new(draft, commit.at, held.iter());
    for change in &commit.changes {
        application.apply(change)?;
    }
    let dropped = application.dropped();
    maps::applied().insert(draft, commit.id.as_bytes(), &applied_value(commit.at))?;
    for (ordinal, record) in (0_u32..).zip(outgoing) {
        let key = [commit.id.as_bytes().as_slice(), &ordinal.to_be_bytes()].concat();
        maps::outbox().insert(draft, &key, record)?;
    }
    // What goes by itself is nobody's deed; where nothing changes there is nothing to record either.
    if commit.changes.iter().any(|change| !change.is_bookkeeping()) {
        write_audit(draft, commit)?;
    }
    Ok(dropped)
}

fn write_audit(draft: &mut Changes<'_>, commit: &Commit) -> Result<(), Unavailable> {
    let last = maps::audit().last(draft)?.map_or(Ok(0), |(key, _)| maps::key_number(&key))?;
    let record = AuditRecord {
        at: commit.at,
        by: commit.by.clone(),
        why: commit.why.clone(),
        entry: commit.id,
        what: commit.changes.iter().map(ToString::to_string).collect(),
    };
    maps::put_json(draft, &maps::audit(), &maps::number_key(last + 1), &record)?;
    Ok(())
}
