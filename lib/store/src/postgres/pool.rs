//! Connections to the database: had when it can be had, and given up after a while when it cannot.

use std::fmt;
use std::time::{Duration, Instant};

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod};
use listmill_core::Unavailable;
use rand::RngExt as _;
use tokio::runtime::Runtime;
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use super::config::Target;
use super::fault::Fault;
use super::presence::{Presence, Way};
use super::schema;
use super::wait::wait;
use crate::{OpenError, PostgresConfig};

/// So long somebody waits for a connection that others use.
const BUSY: Duration = Duration::from_secs(10);
/// So long a question may take, with all that is needed to ask it.
const ANSWER: Duration = Duration::from_secs(40);
/// So long a batch may take: it may bring a hundred thousand people, or take a million away.
const COMMIT: Duration = Duration::from_secs(180);
/// So often a batch is tried that others stand in the way of, or whose connection breaks.
const TRIES: u32 = 6;
/// So long a database that could not be had is not tried again.
const MEMORY: Duration = Duration::from_secs(1);
/// What every connection is told. A statement ends before we cease to wait for it; a transaction whose client is gone ends; and a commit
/// that was answered is on disk, whatever the server's own setting.
const SETTINGS: &str = "SET statement_timeout = '150s'; SET lock_timeout = '15s'; SET idle_in_transaction_session_timeout = '60s'; \
     SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

/// What a connection is told besides that reads at one moment.
const MOMENT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// The database, connected to when it is needed.
pub(super) struct Database {
    pub(super) location: String,
    target: Target,
    pool: Pool,
    ready: Mutex<Ready>,
    way: Way,
    /// Where connections live. Taken on drop.
    runtime: Option<Runtime>,
}

/// Whether the database can be asked, as of the last time.
#[derive(Default)]
struct Ready {
    /// Its schema is ours, and we are there.
    presence: Option<Presence>,
    /// It could not be had, a moment ago: not each of a dozen threads has to find that out by itself, one after the other.
    failed: Option<(Instant, String)>,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Database({})", self.location)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Elsewhere than in `drop` it would wait, which nobody may on a thread of another runtime.
            runtime.shutdown_background();
        }
    }
}

impl Database {
    /// A database that is not asked yet.
    pub(super) fn new(config: &PostgresConfig, way: Way) -> Result<Database, OpenError> {
        let target = Target::of(config)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("postgres")
            .enable_all()
            .build()
            .map_err(|source| OpenError::Runtime { source })?;
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(target.config.clone(), target.connector()?, recycling);
        let pool = Pool::builder(manager)
            .max_size(target.pool_size)
            .runtime(deadpool_postgres::Runtime::Tokio1)
            .wait_timeout(Some(BUSY))
            .create_timeout(Some(BUSY))
            .post_create(Hook::async_fn(move |client, _| {
                let first = if way == Way::Moment { MOMENT } else { "" };
                Box::pin(async move {
                    client.batch_execute(SETTINGS).await.map_err(HookError::Backend)?;
                    client.batch_execute(first).await.map_err(HookError::Backend)
                })
            }))
            .build()
            .expect("it has a runtime for its timeouts");
        let (location, ready) = (target.location.clone(), Mutex::default());
        Ok(Database { location, target, pool, ready, way, runtime: Some(runtime) })
    }

    /// Asks; once more when the connection turns out to be dead.
    pub(super) fn ask<T>(
        &self,
        question: impl AsyncFn(&mut Object, i32) -> Result<T, Fault>,
    ) -> Result<T, Unavailable> {
        let asked = async {
            match self.once(&question).await {
                Err(Fault::Away(_)) => self.once(&question).await,
                answer => answer,
            }
        };
        self.within(ANSWER, asked).map_err(|fault| self.unavailable(fault))
    }

    /// Carries out a transaction; again when others stand in its way, or its connection breaks.
    pub(super) fn transact<T>(&self, work: impl AsyncFn(&mut Object, i32) -> Result<T, Fault>) -> Result<T, Fault> {
        self.within(COMMIT, async {
            let mut tries = 0;
            loop {
                tries += 1;
                match self.once(&work).await {
                    Err(Fault::Collided(_) | Fault::Away(_)) if tries < TRIES => {
                        let most = 50 * u64::from(tries);
                        let pause = rand::rng().random_range(5..most);
                        sleep(Duration::from_millis(pause)).await;
                    }
                    done => return done,
                }
            }
        })
    }

    /// What is said to the database goes over a network that others may read.
    pub(super) fn is_readable(&self) -> bool {
        self.target.is_readable()
    }

    /// What is said of a database that did not answer.
    pub(super) fn unavailable(&self, fault: Fault) -> Unavailable {
        Unavailable { reason: format!("the database {}: {}", self.location, fault.reason()) }
    }

    async fn once<T>(&self, work: &impl AsyncFn(&mut Object, i32) -> Result<T, Fault>) -> Result<T, Fault> {
        let (connection, owner) = self.connection().await?;
        let mut lent = Lent::new(connection);
        let done = work(lent.get_mut(), owner).await;
        self.take_back(lent, done)
    }

    /// A connection that answered may be used again; one that did not is closed, and so are its idle neighbours when the server is gone.
    fn take_back<T>(&self, lent: Lent, answer: Result<T, Fault>) -> Result<T, Fault> {
        match &answer {
            Ok(_) | Err(Fault::Refused(_) | Fault::Collided(_)) => lent.give_back(),
            Err(Fault::Unavailable(_)) => {}
            Err(Fault::Away(_)) => {
                self.pool.retain(|_, _| false);
            }
        }
        answer
    }

    /// A connection to a database that has our schema, and our number there.
    async fn connection(&self) -> Result<(Object, i32), Fault> {
        let owner = self.ready().await?;
        Ok((self.pool.get().await?, owner))
    }

    async fn ready(&self) -> Result<i32, Fault> {
        let mut ready = self.ready.lock().await;
        if let Some(presence) = ready.presence.as_ref().filter(|presence| presence.is_here()) {
            return Ok(presence.number());
        }
        if let Some((_, reason)) = ready.failed.as_ref().filter(|(since, _)| since.elapsed() < MEMORY) {
            return Err(Fault::Unavailable(reason.clone()));
        }
        ready.presence = None;
        match self.enter().await {
            Ok(presence) => {
                let number = presence.number();
                *ready = Ready { presence: Some(presence), failed: None };
                Ok(number)
            }
            Err(fault) => {
                let reason = fault.reason();
                ready.failed = Some((Instant::now(), reason.clone()));
                Err(Fault::Unavailable(reason))
            }
        }
    }

    async fn enter(&self) -> Result<Presence, Fault> {
        let connector = self.target.connector().map_err(|error| Fault::Unavailable(error.to_string()))?;
        // The client's own limit is for the socket; a peer that takes the connection and says nothing has its limit here.
        let presence = timeout(BUSY, Presence::connect(&self.target.config, connector, self.way)).await;
        let mut presence =
            presence.map_err(|_| Fault::Away("it takes the connection and says nothing".to_owned()))??;
        schema::bring_up_to_date(presence.client()).await?;
        Ok(presence)
    }

    fn within<T>(&self, time: Duration, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        let runtime = self.runtime.as_ref().expect("it is there until the database is dropped");
        let _entered = runtime.enter();
        let late = |_| Err(Fault::Unavailable(format!("it has not answered within {} seconds", time.as_secs())));
        wait(async { timeout(time, work).await.unwrap_or_else(late) })
    }
}

/// A connection that is closed unless it is given back: whoever ceases to wait leaves it in the middle of something.
struct Lent(Option<Object>);

impl Lent {
    fn new(connection: Object) -> Lent {
        Lent(Some(connection))
    }

    fn get_mut(&mut self) -> &mut Object {
        self.0.as_mut().expect("it is there until it is given back")
    }

    fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(Object::take(connection));
        }
    }
}
