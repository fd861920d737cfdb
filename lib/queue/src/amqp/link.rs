//! The link to the broker: made in the background, and made again when it is lost.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::stream::{Stream, StreamExt as _};
use lapin::{Channel, Connection, Event, runtime};
use listmill_queue_format::Timestamp;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::timeout;

use super::config::AmqpConfig;
use super::declare;
use super::fault::Fault;
use super::message::Outgoing;
use super::publisher::{Job, keep_publishing};

/// Memory for messages on their way to the broker, in KiB. Who finds none waits, and then gives up.
const ROOM: u32 = 64 << 10;
/// The first wait before another attempt to connect, doubled each time, and the longest.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(400), Duration::from_secs(8));
/// For one attempt to connect, and to declare what is missing.
const CONNECT: Duration = Duration::from_secs(20);

/// One connection to the broker, as long as it holds.
pub(super) struct Session {
    consuming: Connection,
    jobs: mpsc::UnboundedSender<Job>,
    room: Arc<Semaphore>,
    blocked: Arc<AtomicBool>,
    /// How often the broker has answered anybody.
    answers: AtomicU64,
    lost: watch::Sender<Option<Fault>>,
}

/// The link, up or down.
#[derive(Clone)]
pub(super) enum State {
    Down(Fault),
    Up(Arc<Session>),
}

/// Keeps the link; cheap to clone.
#[derive(Clone)]
pub(super) struct Link {
    state: watch::Receiver<State>,
}

impl Link {
    /// Begins to connect. To be called within the runtime.
    pub(super) fn begin(config: AmqpConfig) -> Self {
        let (sender, state) = watch::channel(State::Down(Fault::Away("not connected yet".to_owned())));
        tokio::spawn(keep(config, sender));
        Link { state }
    }

    /// The session, once there is one; the reason why there is none after `patience`.
    pub(super) async fn session(&self, patience: Duration) -> Result<Arc<Session>, Fault> {
        let mut state = self.state.clone();
        let up = timeout(patience, state.wait_for(State::is_up)).await;
        match up {
            Ok(Ok(up)) => match &*up {
                State::Up(session) => Ok(Arc::clone(session)),
                State::Down(fault) => Err(fault.clone()),
            },
            Ok(Err(_)) => Err(Fault::Away("this process lets go of it".to_owned())),
            Err(_) => Err(self.why_down().unwrap_or_else(|| Fault::Away("it comes and goes".to_owned()))),
        }
    }

    /// The session if there is one now.
    pub(super) fn now(&self) -> Result<Arc<Session>, Fault> {
        match &*self.state.borrow() {
            State::Up(session) if session.is_lost() => Err(session.why_lost()),
            State::Up(session) => Ok(Arc::clone(session)),
            State::Down(fault) => Err(fault.clone()),
        }
    }

    /// Why there is none.
    pub(super) fn why_down(&self) -> Option<Fault> {
        self.now().err()
    }
}

impl State {
    /// There is a session, and it has not ended just now.
    fn is_up(&self) -> bool {
        matches!(self, State::Up(session) if !session.is_lost())
    }
}

impl Session {
    async fn open(config: &AmqpConfig) -> Result<Self, Fault> {
        // Two connections: the broker stops reading one that publishes when it is short of memory, and with it the
        // acknowledgements that would relieve it.
        let consuming = connect(config, "consuming").await?;
        declare::ensure(&consuming).await?;
        let publishing = connect(config, "publishing").await?;
        let (jobs, received) = mpsc::unbounded_channel();
        let lost = watch::channel(None).0;
        let blocked = Arc::new(AtomicBool::new(false));
        tokio::spawn(look_out(consuming.events_listener(), Arc::default(), lost.clone()));
        tokio::spawn(look_out(publishing.events_listener(), Arc::clone(&blocked), lost.clone()));
        let ended = lost.clone();
        tokio::spawn(async move {
            let fault = keep_publishing(&publishing, received).await;
            ended.send_if_modified(|lost| lost.is_none() && lost.replace(fault).is_none());
            let _ = publishing.close(200, "OK".into()).await; // it may be closed already
        });
        let room = Arc::new(Semaphore::new(ROOM as usize));
        Ok(Session { consuming, jobs, room, blocked, answers: AtomicU64::new(0), lost })
    }

    /// A channel of its own, on the connection that consumes.
    pub(super) async fn channel(&self) -> Result<Channel, Fault> {
        let channel = self.consuming.create_channel().await.map_err(Fault::from);
        // A connection that gives no channel is of no use any more.
        channel.inspect_err(|fault| self.give_up(fault.clone()))
    }

    /// The broker has said that it takes nothing now.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Acquire)
    }

    /// The broker has answered to something: it is there, however long other answers take.
    pub(super) fn heard(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits for `work` that needs this session, at most for `time`. What takes longer fails alone: the claims of others go on, and a dead link is
    /// noticed by its heartbeats. Only when the broker answered nobody in that time the session is given up.
    pub(super) async fn within<T>(
        &self,
        time: Duration,
        work: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        let before = self.answers.load(Ordering::Relaxed);
        tokio::select! {
            biased;
            done = work => return done,
            // When one has found out that nobody answers, the others need not find it out by themselves.
            fault = self.lost() => return Err(fault),
            () = tokio::time::sleep(time) => {}
        }
        if self.is_blocked() {
            return Err(Fault::Blocked("memory or disk alarm".to_owned()));
        }
        let fault = Fault::Away(format!("no answer within {} s", time.as_secs()));
        if self.answers.load(Ordering::Relaxed) == before {
            self.give_up(fault.clone());
        }
        Err(fault)
    }

    /// Publishes messages; they are durable when this returns.
    pub(super) async fn publish(&self, messages: Vec<Outgoing>) -> Result<(), Fault> {
        let mut waiting = Vec::with_capacity(messages.len());
        for message in messages {
            let size = u32::try_from(message.body.len() / 1024 + 1).unwrap_or(ROOM).min(ROOM);
            let room = Arc::clone(&self.room).acquire_many_owned(size).await.map_err(|_| Fault::Lost)?;
            let (done, answer) = oneshot::channel();
            self.jobs.send(Job { message, done, room }).map_err(|_| self.why_lost())?;
            waiting.push(answer);
        }
        // Each is awaited, also behind one that failed: its answer must not be taken for nobody's.
        let mut all = Ok(());
        for answer in waiting {
            let answer = answer.await.unwrap_or_else(|_| Err(self.why_lost()));
            if answer.is_ok() {
                self.heard();
            }
            all = all.and(answer);
        }
        all
    }

    pub(super) fn is_lost(&self) -> bool {
        self.lost.borrow().is_some()
    }

    /// A channel failed, though the connection holds: what is missing at the broker is declared.
    pub(super) async fn mend(&self) {
        if let Err(error) = declare::ensure(&self.consuming).await {
            self.give_up(Fault::from(error));
        }
    }

    /// Ends the session: another is begun.
    pub(super) fn give_up(&self, why: Fault) {
        self.lost.send_if_modified(|lost| lost.is_none() && lost.replace(why).is_none());
    }

    /// Leaves in order: the broker hands to others what this process holds.
    pub(super) async fn close(&self) {
        self.give_up(Fault::Away("this process lets go of it".to_owned()));
        let _ = self.consuming.close(200, "OK".into()).await; // it may be closed already
    }

    /// Waits until the connection is lost.
    pub(super) async fn lost(&self) -> Fault {
        let mut lost = self.lost.subscribe();
        match lost.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or(Fault::Lost),
            Err(_) => Fault::Lost,
        }
    }

    fn why_lost(&self) -> Fault {
        self.lost.borrow().clone().unwrap_or_else(|| Fault::Away("the connection is lost".to_owned()))
    }
}

async fn connect(config: &AmqpConfig, what: &str) -> Result<Connection, Fault> {
    let setup = |error: crate::QueueError| Fault::Away(error.to_string());
    let (uri, tls) = (config.uri().map_err(setup)?, config.tls().map_err(setup)?);
    Ok(Connection::connect_uri_with_config(uri, config.properties(what), tls, runtime::default_runtime()?).await?)
}

/// Hears what the broker says about a connection.
async fn look_out(events: impl Stream<Item = Event>, blocked: Arc<AtomicBool>, lost: watch::Sender<Option<Fault>>) {
    let mut events = std::pin::pin!(events);
    let lose = |fault| lost.send_if_modified(|lost| lost.is_none() && lost.replace(fault).is_none());
    let mut ended = lost.subscribe();
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            _ = ended.wait_for(Option::is_some) => return,
        };
        match event {
            Some(Event::ConnectionBlocked(why)) => {
                tracing::warn!("the broker takes nothing now: {why}");
                blocked.store(true, Ordering::Release);
            }
            Some(Event::ConnectionUnblocked) => {
                tracing::info!("the broker takes messages again");
                blocked.store(false, Ordering::Release);
            }
            Some(Event::Error(error)) if !error.is_amqp_soft_error() => {
                lose(Fault::from(error));
            }
            Some(_) => {}
            None => {
                lose(Fault::Away("the connection has ended".to_owned()));
            }
        }
    }
}

/// Connects, waits until that is over, connects again.
async fn keep(config: AmqpConfig, state: watch::Sender<State>) {
    let mut wait = BACKOFF.0;
    loop {
        let opened = timeout(CONNECT, Session::open(&config)).await;
        let fault = match opened.unwrap_or_else(|_| Err(Fault::Away("it does not answer".to_owned()))) {
            Ok(session) => {
                tracing::info!("connected to {}", config.broker());
                wait = BACKOFF.0;
                let session = Arc::new(session);
                state.send_replace(State::Up(Arc::clone(&session)));
                let fault = session.lost().await;
                tracing::warn!("the connection to {} is lost: {fault}", config.broker());
                session.room.close();
                // What is unacknowledged goes back to the broker's queues.
                let close = session.consuming.close(200, "OK".into());
                state.send_replace(State::Down(fault.clone()));
                let _ = timeout(BACKOFF.0, close).await; // most likely it is dead
                fault
            }
            Err(fault) => fault,
        };
        if let State::Down(before) = state.send_replace(State::Down(fault.clone()))
            && before.to_string() != fault.to_string()
        {
            tracing::warn!("{} is not to be had, trying again: {fault}", config.broker());
        }
        if state.is_closed() {
            return;
        }
        tokio::time::sleep(jittered(wait)).await;
        wait = (wait * 2).min(BACKOFF.1);
    }
}

/// Between half of it and all of it, so that all hosts do not come back in one moment.
fn jittered(wait: Duration) -> Duration {
    let chance = Timestamp::now().subsec_nanosecond().unsigned_abs() / 1000 % 1024;
    wait / 2 + wait / 2 * chance / 1024
}
