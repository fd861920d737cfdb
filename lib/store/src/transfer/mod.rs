//! A whole store as a stream of records: what [`copy`] carries from one backend to another, and what a [`Backup`] has in one file.
//!
//! Below [`StoreView`](listmill_core::StoreView) and [`StoreChange`](listmill_core::StoreChange): here are the things that a stage never
//! sees, message files of decided posts and applied ids among them, and nothing is checked, counted anew or put on record. Nobody else may work
//! with a store that is copied or filled; one of which a backup is made goes on.

mod backup;
mod copy;
mod record;

pub(crate) use backup::is_last;
pub use backup::{Backup, BackupError, back_up};
pub use copy::{Copied, CopyError, copy};
pub use record::{Record, Table};

use listmill_core::{ListAddress, Unavailable};

use crate::Store;

/// A store that can be read out and filled, record by record.
pub trait Transfer: Store {
    /// A page of one table, behind the record `after`; a page without a record is behind the last one. `list` is which list's, for a table
    /// [of lists](Table::is_of_a_list), and none for any other.
    ///
    /// # Errors
    /// The store cannot be read now, or a record is damaged.
    fn export(
        &self,
        table: Table,
        list: Option<&ListAddress>,
        after: Option<&Record>,
        limit: usize,
    ) -> Result<Vec<Record>, Unavailable>;

    /// Adds records of one table, all of one list where it is a table of lists; durable when it returns. The tables come in the order
    /// of [`Table::ALL`].
    ///
    /// # Errors
    /// The store cannot be written now; or one is there already, and what that leaves behind is of no use.
    fn import(&self, records: &[Record]) -> Result<(), Unavailable>;

    /// Lets `read` look at everything as it is at one moment, whoever works with the store meanwhile.
    ///
    /// # Errors
    /// The store cannot be read now; what `read` has seen may be of several moments.
    fn at_one_moment(&self, read: &mut dyn FnMut(&dyn Transfer)) -> Result<(), Unavailable>;
}
