//! From one store to another: every record, and a second look at what has arrived.

use std::fmt::Debug;

use listmill_core::{ListAddress, Unavailable};
use sha2::{Digest as _, Sha256};

use super::{Record, Table, Transfer};

/// So many records at a time; of those with messages, so few.
const PAGE: usize = 5_000;
const PAGE_OF_MESSAGES: usize = 8;

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
    for table in Table::ALL.into_iter().filter(|table| !table.is_of_a_list() && *table != Table::SigningKeys) {
        if !to.export(table, None, None, 1).map_err(CopyError::Target)?.is_empty() {
            return Err(CopyError::NotEmpty { table });
        }
    }
    let mut copied = Vec::new();
    for table in Table::ALL {
        let mut sent = Sum::default();
        each_page(from, table, CopyError::Source, |page| {
            sent.add(page);
            to.import(page).map_err(CopyError::Target)?;
            progress(table, sent.count);
            Ok(())
        })?;
        let mut arrived = Sum::default();
        each_page(to, table, CopyError::Target, |page| {
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

/// Hands over all records of a table, list by list where each has its own.
fn each_page(
    store: &dyn Transfer,
    table: Table,
    wrong: fn(Unavailable) -> CopyError,
    mut visit: impl FnMut(&[Record]) -> Result<(), CopyError>,
) -> Result<(), CopyError> {
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

fn pages(
    store: &dyn Transfer,
    table: Table,
    list: Option<&ListAddress>,
    wrong: fn(Unavailable) -> CopyError,
    visit: &mut dyn FnMut(&[Record]) -> Result<(), CopyError>,
) -> Result<(), CopyError> {
    let limit = if table.has_messages() { PAGE_OF_MESSAGES } else { PAGE };
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
struct Sum {
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
