//! A lane: one connection after the other that works on a job, one transaction behind the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use listmill_core::Party;
use tokio::time::sleep;

use crate::job::Job;
use crate::pool::{Lease, Pool};
use crate::work::{Work, is_too_many};
use crate::{Broken, Relay, Reply};

/// Who has waited for so long behind another transaction's dot goes to another connection.
const LATE: Duration = Duration::from_secs(1);

/// What works on a job in its party's turns.
pub(crate) struct Lane {
    pool: Arc<Pool>,
    job: Arc<Job>,
    /// Transactions that are over, whosever.
    done: Arc<AtomicU64>,
    /// The connection of this turn.
    lease: Option<Lease>,
    /// The transaction whose commands have been sent ahead on it.
    ahead: Option<Arc<Work>>,
}

/// What came of a step.
enum Step {
    /// A transaction is over.
    Over,
    /// There is none now.
    NothingLeft,
    /// There is no connection for it.
    NoConnection,
}

/// What came of the attempt on one connection.
enum Attempt {
    /// It is over.
    Over,
    /// Nothing of it had begun.
    Again(Arc<Work>),
}

impl Lane {
    pub(crate) fn new(pool: Arc<Pool>, job: Arc<Job>, done: Arc<AtomicU64>) -> Lane {
        Lane { pool, job, done, lease: None, ahead: None }
    }

    /// Works until nothing is left, or no connection is to be had.
    pub(crate) async fn run(mut self, party: Party) {
        let pool = Arc::clone(&self.pool);
        while self.job.has_more().await && !pool.is_stopping() {
            let turn = pool.turn(&party, self.job.id()).await;
            for transactions in 1.. {
                let goes_on = !pool.is_stopping() && turn.may_go_on(transactions);
                let is_begun = self.ahead.is_some();
                if !is_begun && (pool.is_stopping() || (transactions > 1 && !goes_on)) {
                    break;
                }
                match self.one(goes_on).await {
                    Step::Over => {
                        self.done.fetch_add(1, Ordering::Relaxed);
                        pool.transaction_ended();
                    }
                    Step::NothingLeft => break,
                    Step::NoConnection => return,
                }
            }
            if let Some(lease) = self.lease.take() {
                pool.keep(lease);
            }
        }
    }

    /// One transaction.
    async fn one(&mut self, goes_on: bool) -> Step {
        let mut work = match self.ahead.take() {
            Some(work) => {
                self.job.begin();
                work
            }
            None => match self.next() {
                Some(work) => work,
                None => return Step::NothingLeft,
            },
        };
        loop {
            let kept = self.lease.take();
            let lease = match kept {
                Some(lease) => lease,
                None => match self.pool.take().await {
                    Ok(lease) => lease,
                    Err(why) => {
                        self.job.put_back(work);
                        self.job.no_connection(why);
                        return Step::NoConnection;
                    }
                },
            };
            if work.is_shared() && !lease.connection.is_ahead() && !lease.connection.makes_paths() {
                self.job.set_apart(&work);
                self.lease = Some(lease);
                match self.job.next() {
                    Some(first) => work = first,
                    None => return Step::NothingLeft,
                }
                continue;
            }
            match self.attempt(work, lease, goes_on).await {
                Attempt::Over => return Step::Over,
                Attempt::Again(same) => work = same,
            }
        }
    }

    /// The next transaction, with no more recipients than the next host takes.
    fn next(&self) -> Option<Arc<Work>> {
        let work = self.job.next()?;
        let Some((first, others)) = work.split(self.pool.limit.most()) else { return Some(work) };
        self.job.put_back(Arc::new(others));
        Some(Arc::new(first))
    }

    async fn attempt(&mut self, work: Arc<Work>, mut lease: Lease, goes_on: bool) -> Attempt {
        let makes_paths = lease.connection.makes_paths();
        let next = if goes_on && lease.connection.takes_ahead() {
            self.job.next_ahead(makes_paths, self.pool.open())
        } else {
            None
        };
        let (is_late, replies) = transact(&self.job, &mut lease, &work, next.as_ref()).await;
        let is_ahead = !is_late && lease.connection.is_ahead();
        match next {
            Some(next) if is_ahead => self.ahead = Some(next),
            Some(next) if !is_late => self.job.give_back(next),
            _ => {}
        }
        let replies = match replies {
            Ok(replies) => replies,
            Err(broken) if lease.is_used || broken.again => return Attempt::Again(work),
            Err(Broken { asked: false, reply, .. }) => {
                self.job.put_back(work);
                self.job.broke(reply);
                return Attempt::Over;
            }
            Err(broken) => vec![broken.reply; work.recipients().len()],
        };
        let is_broken = lease.connection.is_broken();
        let why = is_broken.then(|| replies.last().cloned()).flatten();
        self.record(&work, replies).await;
        if is_broken {
            self.job.broke(why.unwrap_or_else(|| Reply::none("4.4.2", "the connection broke")));
            return Attempt::Over;
        }
        self.job.went_well();
        // Commands to which nobody belongs any more end with their connection.
        if !is_late || !lease.connection.is_ahead() {
            self.lease = Some(Lease { is_used: true, ..lease });
        }
        Attempt::Over
    }
}

impl Lane {
    /// The replies to a transaction. Who was one too many for it is in the next one.
    async fn record(&self, work: &Work, replies: Vec<Reply>) {
        let some = replies.iter().any(is_too_many).then(|| work.without_too_many(&replies)).flatten();
        let Some((others, too_many)) = some else { return self.job.record(work, replies).await };
        self.pool.limit.learn(&replies);
        self.job.put_back(Arc::new(too_many));
        self.job.record(&others, replies.into_iter().filter(|reply| !is_too_many(reply)).collect()).await;
    }
}

impl Drop for Lane {
    /// A lane that ends by a fault leaves what it had sent ahead to the others, who wait for it.
    fn drop(&mut self) {
        if let Some(work) = self.ahead.take() {
            self.job.give_back(work);
        }
    }
}

/// The transaction, and whether the next one was put back because it would have had to wait for long.
async fn transact(
    job: &Job,
    lease: &mut Lease,
    work: &Work,
    next: Option<&Arc<Work>>,
) -> (bool, Result<Vec<Reply>, Broken>) {
    let (outgoing, behind) = (job.outgoing(work), next.map(|next| job.outgoing(next)));
    let transaction = lease.connection.transact(&outgoing, behind.as_ref());
    let Some(next) = next else { return (false, transaction.await) };
    tokio::pin!(transaction);
    tokio::select! {
        biased;
        replies = &mut transaction => (false, replies),
        () = sleep(LATE) => {
            job.give_back(Arc::clone(next));
            (true, transaction.await)
        }
    }
}
