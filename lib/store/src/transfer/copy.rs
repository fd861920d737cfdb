//! From one store to another: every record, and a second look at what has arrived.

use std::fmt::Debug;

use listmill_core::{ListAddress, Unavailable};
use sha2::{Digest as _, Sha256};

use super::{Record, Table, Transfer};

/// So many records of a table at a time; of those with messages, few.
pub(super) fn page_of(table: Table) -> usize {
    if table.has_messages() { 8 } else { 5_000 }
}

/// Why a store was not copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The store to copy from cannot be read.
    #[error("the store to copy from cannot be read: {0}")]
    Source(Unavailable),
    /// The store to copy to cannot be read or written.
    #[error("the store to copy to cannot be used: {0}; empty it before the next try")]
    Target(Unavailable),
    /// There is something in the store to copy to.
    #[error("the store to copy to is not empty: it has {}; name an empty one", table.name())]
    NotEmpty {
        /// Something of this.
        table: Table,
    },
    /// What has arrived is not what was sent.
    #[error("{} were copied, and are not the same now: sent {sent}, arrived {arrived}; do not use the copy", table.name())]
    Differs {
        /// Of this.
        table: Table,
        /// So many were sent.
        sent: u64,
        /// So many are there.
        arrived: u64,
    },
}

/// How many records of a table were copied.
pub type Copied = Vec<(Table, u64)>;

/// Copies everything from one store to another, which must be empty, and compares each table's number of records and their digest afterwards.
/// `progress` is told of each page: the table, and how many of its records are there.
///
/// # Errors
/// See [`CopyError`]; nothing of the source is changed, and what the target has is of no use.
pub fn copy(from: &dyn Transfer, to: &dyn Transfer, mut progress: impl FnMut(Table, u64)) -> Result<Copied, CopyError> {
    let mut filling = Filling::begin(to)?;
    for table in Table::ALL {
        each_page(from, table, CopyError::Source, |page| {
            progress(table, filling.take(table, page)?);
            Ok(())
        })?;
    }
    filling.finish()
}

/// A store that is being filled, and what it must have in the end.
pub(super) struct Filling<'a> {
    to: &'a dyn Transfer,
    sent: [Sum; Table::ALL.len()],
}

impl<'a> Filling<'a> {
    /// Begins with a store that must be empty.
    pub(super) fn begin(to: &'a dyn Transfer) -> Result<Self, CopyError> {
        for table in Table::ALL.into_iter().filter(|table| !table.is_of_a_list() && *table != Table::SigningKeys) {
            if !to.export(table, None, None, 1).map_err(CopyError::Target)?.is_empty() {
                return Err(CopyError::NotEmpty { table });
            }
        }
        Ok(Filling { to, sent: Default::default() })
    }

    /// Adds a page of a table, all of one list where it is a table of lists; says how many of its records have been added.
    pub(super) fn take(&mut self, table: Table, page: &[Record]) -> Result<u64, CopyError> {
        let sum = &mut self.sent[table.position()];
        sum.add(page);
        self.to.import(page).map_err(CopyError::Target)?;
        Ok(sum.count)
    }

    /// Looks whether what was added is there, and nothing else.
    pub(super) fn finish(self) -> Result<Copied, CopyError> {
        let mut copied = Vec::new();
        for (table, sent) in Table::ALL.into_iter().zip(self.sent) {
            let mut arrived = Sum::default();
            each_page(self.to, table, CopyError::Target, |page| {
                arrived.add(page);
                Ok(())
            })?;
            if sent != arrived {
                return Err(CopyError::Differs { table, sent: sent.count, arrived: arrived.count });
            }
            copied.push((table, sent.count));
        }
        Ok(copied)
    }
}

/// Hands over all records of a table, list by list where each has its own.
pub(super) fn each_page<E>(
    store: &dyn Transfer,
    table: Table,
    wrong: fn(Unavailable) -> E,
    mut visit: impl FnMut(&[Record]) -> Result<(), E>,
) -> Result<(), E> {
    if !table.is_of_a_list() {
        return pages(store, table, None, wrong, &mut visit);
    }
    pages(store, Table::Lists, None, wrong, &mut |lists: &[Record]| {
        for record in lists {
            if let Record::List { list, .. } = record {
                pages(store, table, Some(list), wrong, &mut visit)?;
            }
        }
        Ok(())
    })
}

fn pages<E>(
    store: &dyn Transfer,
    table: Table,
    list: Option<&ListAddress>,
    wrong: fn(Unavailable) -> E,
    visit: &mut dyn FnMut(&[Record]) -> Result<(), E>,
) -> Result<(), E> {
    let limit = page_of(table);
    let mut last: Option<Record> = None;
    loop {
        let mut page = store.export(table, list, last.as_ref(), limit).map_err(wrong)?;
        if page.is_empty() {
            return Ok(());
        }
        visit(&page)?;
        last = page.pop();
    }
}

/// How many records there are, and what they are, whatever their order: the sum of the digests of their JSON.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    count: u64,
    digest: [u64; 4],
}

impl Sum {
    fn add(&mut self, records: &[Record]) {
        for record in records {
            let json = serde_json::to_vec(record).expect("a record is made of structs and of maps with text keys");
            let digest = Sha256::digest(&json);
            for (sum, part) in self.digest.iter_mut().zip(digest.chunks_exact(8)) {
                let part: [u8; 8] = part.try_into().expect("it is eight octets long");
                *sum = sum.wrapping_add(u64::from_be_bytes(part));
            }
            self.count += 1;
        }
    }
}
