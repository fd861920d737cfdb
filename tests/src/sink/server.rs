//! The listener, and what was received.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

use super::script::{Asked, Script, Step};
use super::session;

/// One message that was received to its final dot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// MAIL FROM.
    pub return_path: String,
    /// The parameters of MAIL.
    pub parameters: Vec<String>,
    /// The recipients that were accepted at RCPT and, in LMTP, behind the dot.
    pub recipients: Vec<String>,
    /// The message, without transparency.
    pub data: Vec<u8>,
    /// It was taken, and the client was told so. Without that, the client must not believe that it was.
    pub acknowledged: bool,
    /// The number of the connection.
    pub connection: usize,
    /// The next transaction's commands had been sent behind its dot.
    pub rides: bool,
    /// It came within TLS.
    pub encrypted: bool,
}

/// A running sink; dropped, it is gone with all its connections.
pub struct Sink {
    address: SocketAddr,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

#[derive(Default)]
struct Log {
    received: Vec<Received>,
    violations: Vec<String>,
    commands: Vec<String>,
    connections: usize,
    closed: usize,
    changes: u64,
    asked: HashMap<(Step, String), usize>,
}

pub(super) struct Shared {
    pub(super) script: Script,
    log: Mutex<Log>,
    changed: Condvar,
    changed_async: Notify,
}

impl Sink {
    /// Starts to listen on a port that the system chooses.
    pub fn start(script: Script) -> Sink {
        Sink::start_at("127.0.0.1:0".parse().expect("an address"), script)
    }

    /// Starts to listen there.
    pub fn start_at(address: SocketAddr, script: Script) -> Sink {
        let runtime =
            Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime can be built");
        let listener = std::net::TcpListener::bind(address).expect("the address is ours, and the port free");
        let address = listener.local_addr().expect("a bound socket has an address");
        listener.set_nonblocking(true).expect("a socket can be made non-blocking");
        let shared =
            Arc::new(Shared { script, log: Mutex::default(), changed: Condvar::new(), changed_async: Notify::new() });
        runtime.spawn(accept(listener, Arc::clone(&shared)));
        Sink { address, shared, runtime: Some(runtime) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL: `sink.url("smtp")`.
    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.address)
    }

    /// What was received, in order.
    pub fn received(&self) -> Vec<Received> {
        self.shared.log().received.clone()
    }

    /// What was received behind the first so many.
    pub fn received_after(&self, count: usize) -> Vec<Received> {
        self.shared.log().received.iter().skip(count).cloned().collect()
    }

    /// How many messages were received.
    pub fn count(&self) -> usize {
        self.shared.log().received.len()
    }

    /// How many of them are such; nothing is copied for it.
    pub fn count_of(&self, is_such: impl Fn(&Received) -> bool) -> usize {
        self.shared.log().received.iter().filter(|received| is_such(received)).count()
    }

    /// How often each recipient was served: told so, and not only sent to.
    pub fn served(&self) -> HashMap<String, usize> {
        let mut served = HashMap::new();
        for received in self.received().into_iter().filter(|one| one.acknowledged) {
            for recipient in received.recipients {
                *served.entry(recipient).or_default() += 1;
            }
        }
        served
    }

    /// What no client may do.
    pub fn violations(&self) -> Vec<String> {
        self.shared.log().violations.clone()
    }

    /// Every command line.
    pub fn commands(&self) -> Vec<String> {
        self.shared.log().commands.clone()
    }

    /// How many connections there were, and how many of them are over.
    pub fn connections(&self) -> (usize, usize) {
        let log = self.shared.log();
        (log.connections, log.closed)
    }

    /// Waits until the sink has seen what is looked for; false when it has not after `patience`.
    pub fn wait(&self, patience: Duration, looked_for: impl Fn(&Sink) -> bool) -> bool {
        let end = std::time::Instant::now() + patience;
        loop {
            let changes = self.shared.log().changes;
            if looked_for(self) {
                return true;
            }
            let left = end.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                return false;
            }
            let unchanged = |log: &mut Log| log.changes == changes;
            drop(self.shared.changed.wait_timeout_while(self.shared.log(), left, unchanged));
        }
    }

    /// The same for a task: it can be dropped.
    pub async fn until(&self, looked_for: impl Fn(&Sink) -> bool) {
        loop {
            let change = self.shared.changed_async.notified();
            tokio::pin!(change);
            change.as_mut().enable();
            if looked_for(self) {
                return;
            }
            change.await;
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Shared {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Log)) {
        let mut log = self.log();
        change(&mut log);
        log.changes += 1;
        drop(log);
        self.changed.notify_all();
        self.changed_async.notify_waiters();
    }

    pub(super) fn received(&self, received: Received) {
        self.change(|log| log.received.push(received));
    }

    pub(super) fn violation(&self, what: &str) {
        self.change(|log| log.violations.push(what.to_owned()));
    }

    pub(super) fn command(&self, line: &str) {
        self.change(|log| log.commands.push(line.to_owned()));
    }

    pub(super) fn answer(&self, mut asked: Asked<'_>) -> super::Answer {
        let mut log = self.log();
        let before = log.asked.entry((asked.step, asked.argument.to_owned())).or_default();
        asked.before = *before;
        *before += 1;
        drop(log);
        (self.script.answer)(&asked)
    }
}

async fn accept(listener: std::net::TcpListener, shared: Arc<Shared>) {
    let listener = TcpListener::from_std(listener).expect("the socket is non-blocking");
    while let Ok((socket, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        let mut number = 0;
        shared.change(|log| {
            number = log.connections;
            log.connections += 1;
        });
        tokio::spawn(async move {
            session::serve(socket, number, &shared).await;
            shared.change(|log| log.closed += 1);
        });
    }
}
