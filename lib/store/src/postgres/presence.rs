//! That a process is here: a lock in the database, which goes when its connection does.
//!
//! A process that works with the store keeps one connection for this. It holds two advisory locks on it: that of its own number, by which
//! others see that its part of the outbox is looked after, and, shared, that of *somebody works with the store*, which whoever must be alone
//! takes for itself ([`Way::Alone`]). Architecture invariant: nobody has a connection from the pool who has no presence.

use rand::RngExt as _;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::fault::{Fault, described};

/// The first half of our locks; the second is a process's number, or [`ANYBODY`].
pub(super) const LOCKS: i32 = 0x6c6d;
const ANYBODY: i32 = 0;

/// How a process works with the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Beside others.
    Shared,
    /// With nobody else: to copy it.
    Alone,
    /// Beside others, and what they change from the first question on is not seen: to make a backup.
    Moment,
}

/// A connection that says that we are here.
pub(super) struct Presence {
    client: Client,
    number: i32,
    traffic: JoinHandle<()>,
}

impl Presence {
    /// Connects, and says so.
    pub(super) async fn connect(config: &Config, tls: MakeRustlsConnect, way: Way) -> Result<Presence, Fault> {
        let (client, connection) = config.connect(tls).await.map_err(away)?;
        let traffic = tokio::spawn(async move {
            // Whoever asks next learns of it from the client.
            let _ = connection.await;
        });
        let mut presence = Presence { client, number: 0, traffic };
        presence.enter(way).await?;
        Ok(presence)
    }

    /// The connection still stands, as far as is known.
    pub(super) fn is_here(&self) -> bool {
        !self.client.is_closed()
    }

    /// By this number others know us.
    pub(super) fn number(&self) -> i32 {
        self.number
    }

    pub(super) fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    async fn enter(&mut self, way: Way) -> Result<(), Fault> {
        let (lock, otherwise) = match way {
            Way::Shared | Way::Moment => {
                ("SELECT pg_try_advisory_lock_shared($1, $2)", "it is being copied: wait until that is done")
            }
            Way::Alone => {
                ("SELECT pg_try_advisory_lock($1, $2)", "a process works with it: stop every `listmill run` first")
            }
        };
        if !self.try_lock(lock, ANYBODY).await? {
            return Err(Fault::Unavailable(otherwise.to_owned()));
        }
        loop {
            let number = rand::rng().random_range(1..i32::MAX);
            if self.try_lock("SELECT pg_try_advisory_lock($1, $2)", number).await? {
                self.number = number;
                return Ok(());
            }
        }
    }

    async fn try_lock(&self, sql: &str, number: i32) -> Result<bool, Fault> {
        Ok(self.client.query_one(sql, &[&LOCKS, &number]).await?.try_get(0)?)
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.traffic.abort();
    }
}

/// A connection that does not come about: the server is not there, or does not want us.
fn away(error: tokio_postgres::Error) -> Fault {
    match error.as_db_error() {
        Some(_) => Fault::from(error),
        None => Fault::Away(described(&error)),
    }
}
