//! The server: takes connections from its sockets, as many as there may be, until it is told to stop.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::reply::Reply;
use crate::service::Service;
use crate::session::{Protocol, Session};
use crate::socket::{Acceptor, Socket};
use crate::wire::{Stop, Stream, stopped};
use crate::{Limits, Listen, Reception};

/// The pause after a failure to take a connection: most often there are too many open files, and trying again at once
/// would not make them fewer.
const PAUSE: Duration = Duration::from_millis(100);
/// What a session gets for its last words, when its message has had [`Limits::stop`].
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A server whose sockets listen; clients are served while [`run`](Server::run) is awaited.
pub struct Server {
    sockets: Vec<Socket>,
    service: Service,
}

/// A socket could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {listen}: {source}")]
pub struct BindError {
    /// The socket.
    pub listen: Listen,
    /// Why not.
    pub source: std::io::Error,
}

impl Server {
    /// Opens all listening sockets; `host` is the name that the server gives itself in its greeting.
    ///
    /// # Errors
    /// The first socket that cannot be opened; then none is.
    pub fn bind(
        listen: Vec<Listen>,
        host: String,
        reception: Arc<dyn Reception>,
        limits: Limits,
    ) -> Result<Server, BindError> {
        let open = |listen: Listen| Socket::open(&listen).map_err(|source| BindError { listen, source });
        let sockets = listen.into_iter().map(open).collect::<Result<_, _>>()?;
        Ok(Server { sockets, service: Service::new(host, reception, limits) })
    }

    /// Where it listens, in the order of [`bind`](Server::bind), with the ports that the system chose.
    pub fn local_addrs(&self) -> Vec<Listen> {
        self.sockets.iter().map(Socket::listen).collect()
    }

    /// Serves clients until `stop` says true or its sender is gone.
    ///
    /// Then the sockets are closed, a client that is not sending a message is told `421 4.3.2`, and one that is may
    /// go on for [`Limits::stop`]. A message that is being stored then is stored, but its client may not hear of it.
    /// Must be awaited in a tokio runtime with I/O and time.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let (tell, stopping) = watch::channel(None);
        let service = Arc::new(self.service);
        let slots = Arc::new(Semaphore::new(service.limits.connections));
        let mut acceptors = JoinSet::new();
        for socket in self.sockets {
            let (listen, protocol) = (socket.listen(), socket.protocol());
            match socket.serve() {
                Ok(acceptor) => {
                    tracing::info!(%listen, "the intake listens");
                    let taken = Taken { service: Arc::clone(&service), slots: Arc::clone(&slots), protocol };
                    acceptors.spawn(taken.take(acceptor, stopping.clone()));
                }
                Err(error) => tracing::error!(%listen, %error, "the intake cannot serve this socket"),
            }
        }
        // A sender that is gone cannot say anything any more: that ends the server as well.
        let _ = stop.wait_for(|stop| *stop).await;
        tell.send_replace(Some(Instant::now()));
        while acceptors.join_next().await.is_some() {}
        tracing::info!("the intake has stopped");
    }
}

/// The connections of one socket.
struct Taken {
    service: Arc<Service>,
    slots: Arc<Semaphore>,
    protocol: Protocol,
}

impl Taken {
    async fn take(self, acceptor: Acceptor, mut stop: Stop) {
        let mut sessions = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                _ = stopped(&mut stop) => break,
                Some(ended) = sessions.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(%error, "a session failed");
                    }
                }
                taken = acceptor.accept() => match taken {
                    Ok((stream, address)) => self.begin(&mut sessions, &stop, stream, address).await,
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be taken");
                        sleep(PAUSE).await;
                    }
                }
            }
        }
        drop(acceptor);
        let all = async { while sessions.join_next().await.is_some() {} };
        if timeout(self.service.limits.stop + LAST_WORDS, all).await.is_err() {
            tracing::warn!(sessions = sessions.len(), "sessions are cut off");
        }
        sessions.shutdown().await;
    }

    async fn begin(&self, sessions: &mut JoinSet<()>, stop: &Stop, stream: Box<dyn Stream>, address: String) {
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            tracing::info!(client = address, "too many connections, one is turned away");
            turn_away(stream).await;
            return;
        };
        let session = Session::new(stream, stop.clone(), Arc::clone(&self.service), self.protocol, address);
        sessions.spawn(async move {
            session.serve().await;
            drop(slot);
        });
    }
}

async fn turn_away(mut stream: Box<dyn Stream>) {
    let mut output = Vec::new();
    Reply::new(421, "4.3.2", "too many connections, try again later").write(&mut output);
    // A new connection has room for one line; a client for which that is not so is not waited for.
    let _ = timeout(PAUSE, stream.write_all(&output)).await;
}
