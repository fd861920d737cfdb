//! The store in PostgreSQL, as everybody else sees it.

use std::fmt;

use listmill_core::settings::Cascade;
use listmill_core::{Commit, CommitError, Committed, MessageFile, Unavailable};
use listmill_queue_format::EntryId;

use super::commit::{self, Commits};
use super::fault::Fault;
use super::outbox;
use super::pool::Database;
use super::presence::Way;
use super::session::{change, row, unsigned};
use super::sql;
use super::types::Id;
use crate::{OpenError, PostgresConfig, Store, StoreFigures};

/// The store in PostgreSQL: several processes on several hosts may work with it at once.
///
/// It connects when it is first asked, and again whenever it must. While the database cannot be had each question is answered with
/// [`Unavailable`], within a bounded time.
pub struct PostgresStore {
    pub(super) database: Database,
    pub(super) cascade: Cascade,
    config: PostgresConfig,
    commits: Commits,
}

impl PostgresStore {
    /// The store in this database, which need not be there yet; its schema is made, or brought up to date, when it is first asked.
    ///
    /// `cascade` is what the site file says about settings.
    ///
    /// # Errors
    /// What is wrong with the configuration: the URL, or the file of certificates.
    pub fn open(config: &PostgresConfig, cascade: Cascade) -> Result<PostgresStore, OpenError> {
        PostgresStore::enter(config, cascade, Way::Shared)
    }

    /// The store in this database, for this process alone: it is refused while another works with it, and others are while it is open.
    ///
    /// # Errors
    /// As [`open`](PostgresStore::open). That another process works with it is said when it is first asked.
    pub fn open_alone(config: &PostgresConfig, cascade: Cascade) -> Result<PostgresStore, OpenError> {
        PostgresStore::enter(config, cascade, Way::Alone)
    }

    pub(super) fn enter(config: &PostgresConfig, cascade: Cascade, way: Way) -> Result<PostgresStore, OpenError> {
        let database = Database::new(config, way)?;
        Ok(PostgresStore { database, cascade, config: config.clone(), commits: Commits::default() })
    }

    /// The same store, to be read as it is at the moment of the first question.
    pub(super) fn moment(&self) -> Result<PostgresStore, OpenError> {
        let config = PostgresConfig { pool_size: 1, ..self.config.clone() };
        PostgresStore::enter(&config, self.cascade.clone(), Way::Moment)
    }
}

impl fmt::Debug for PostgresStore {
    /// Where it is; what it holds, and how it is reached, is not for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresStore({})", self.database.location)
    }
}

impl Store for PostgresStore {
    fn commit(&self, commit: &Commit) -> Result<Committed, CommitError> {
        let done =
            self.database.transact(async |session, owner| commit::commit(session, owner, commit, &self.commits).await);
        done.map_err(|fault| match fault {
            Fault::Refused(refusal) => CommitError::Refused(refusal),
            fault => self.database.unavailable(fault).into(),
        })
    }

    fn applied(&self, id: EntryId) -> Result<Option<Vec<MessageFile>>, Unavailable> {
        self.database.ask(async |session, _| commit::applied(&*session, id).await)
    }

    fn outbox_done(&self, id: EntryId) -> Result<(), Unavailable> {
        self.database.ask(async |session, _| change(&*session, sql::OUTBOX_DONE, &[&Id(id)]).await.map(drop))
    }

    fn outbox(&self, limit: usize) -> Result<Vec<(EntryId, Vec<MessageFile>)>, Unavailable> {
        self.database.ask(async |session, owner| outbox::outbox(session, owner, limit).await)
    }

    fn figures(&self) -> Result<StoreFigures, Unavailable> {
        let counts = self.database.ask(async |session, _| {
            let counts = row(&*session, sql::FIGURES, &[]).await?;
            let counts = counts.ok_or_else(|| Fault::Unavailable("it does not count".to_owned()))?;
            (0..6).map(|column| Ok(unsigned(counts.try_get(column)?))).collect::<Result<Vec<_>, Fault>>()
        })?;
        let count = |column: usize| counts.get(column).copied().unwrap_or(0);
        Ok(StoreFigures {
            backend: "postgres".to_owned(),
            location: self.database.location.clone(),
            lists: count(0),
            people: count(1),
            held: count(2),
            requests: count(3),
            outbox: count(4),
            disk_bytes: count(5),
            cache_bytes: 0,
        })
    }
}
