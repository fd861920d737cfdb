//! The connections of one process: as many as [`Turns`] allow, kept for the next transaction, closed when none comes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use listmill_core::Party;
use listmill_queue_format::EntryId;
use tokio::task::JoinSet;

use crate::connection::{Connection, NextHost};
use crate::limit::Limit;
use crate::turns::{Turn, Turns};
use crate::{Relay, Reply};

/// The connections to the next host.
#[derive(Debug)]
pub(crate) struct Pool {
    next_host: NextHost,
    idle_for: Duration,
    turns: Turns,
    /// How many recipients the next host takes at once.
    pub(crate) limit: Limit,
    idle: Mutex<IdleSet>,
    stopping: AtomicBool,
}

#[derive(Debug, Default)]
struct IdleSet {
    connections: Vec<Idle>,
    /// A task is waiting to close them.
    watched: bool,
}

struct Idle {
    lease: Lease,
    since: Instant,
}

impl std::fmt::Debug for Idle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Idle").field("since", &self.since).finish_non_exhaustive()
    }
}

/// A connection in use.
pub(crate) struct Lease {
    /// The connection.
    pub(crate) connection: Connection,
    /// It has done a transaction: it may have been closed since by the next host.
    pub(crate) is_used: bool,
}

impl Pool {
    pub(crate) fn new(next_host: NextHost, connections: usize, idle_for: Duration) -> Pool {
        Pool {
            next_host,
            idle_for,
            turns: Turns::new(connections),
            limit: Limit::default(),
            idle: Mutex::default(),
            stopping: AtomicBool::new(false),
        }
    }

    /// Waits for a turn: for transactions of this entry, which is this party's.
    pub(crate) async fn turn<'a>(&'a self, party: &'a Party, entry: EntryId) -> Turn<'a> {
        self.turns.turn(party, entry).await
    }

    /// How many connections there may be at this moment.
    pub(crate) fn open(&self) -> usize {
        self.turns.open()
    }

    /// A transaction has ended.
    pub(crate) fn transaction_ended(&self) {
        self.turns.transaction_ended();
    }

    /// A connection: the one that was used last, or a new one.
    pub(crate) async fn take(&self) -> Result<Lease, Reply> {
        let kept = self.idle().connections.pop();
        match kept.filter(|idle| idle.since.elapsed() < self.idle_for) {
            Some(idle) => Ok(idle.lease),
            None => match self.connect().await {
                Ok(connection) => Ok(Lease { connection, is_used: false }),
                Err(why) => {
                    self.turns.connection_refused();
                    Err(why)
                }
            },
        }
    }

    /// A new connection.
    pub(crate) async fn connect(&self) -> Result<Connection, Reply> {
        self.next_host.connect().await
    }

    /// Keeps a connection for the next transaction.
    pub(crate) fn keep(self: &Arc<Self>, lease: Lease) {
        let mut idle = self.idle();
        idle.connections.push(Idle { lease: Lease { is_used: true, ..lease }, since: Instant::now() });
        if !std::mem::replace(&mut idle.watched, true) {
            let pool = Arc::downgrade(self);
            let mut wait = self.idle_for;
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(wait).await;
                    let Some(pool) = pool.upgrade() else { return };
                    match pool.close_idle().await {
                        Some(next) => wait = next,
                        None => return,
                    }
                }
            });
        }
    }

    /// Closes what has been idle too long; says how long the next one has, none when there is no other.
    async fn close_idle(&self) -> Option<Duration> {
        let (old, next) = {
            let mut idle = self.idle();
            let (young, old) =
                std::mem::take(&mut idle.connections).into_iter().partition(|one| one.since.elapsed() < self.idle_for);
            idle.connections = young;
            let next = idle.connections.iter().map(|one| self.idle_for.saturating_sub(one.since.elapsed())).min();
            idle.watched = next.is_some();
            (old, next)
        };
        quit_all(old).await;
        next
    }

    /// Closes every idle connection.
    pub(crate) async fn close(&self) {
        let all = std::mem::take(&mut self.idle().connections);
        quit_all(all).await;
    }

    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    fn idle(&self) -> MutexGuard<'_, IdleSet> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn quit_all(idle: Vec<Idle>) {
    let mut quits = JoinSet::new();
    for one in idle {
        quits.spawn(one.lease.connection.quit());
    }
    quits.join_all().await;
}
