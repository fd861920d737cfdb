//! The listening sockets, and the connections that they take.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

use crate::{Limits, Listen, Reception};

/// A server whose sockets listen; clients are served while [`run`](Server::run) is awaited.
pub struct Server {
    sockets: Vec<Socket>,
    host: String,
    reception: Arc<dyn Reception>,
    limits: Limits,
}

/// A socket that listens.
enum Socket {
    Lmtp(TcpListener),
    LmtpUnix(UnixListener, PathBuf),
    Smtp(TcpListener),
}

/// A socket could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {listen}: {reason}")]
pub struct BindError {
    /// The socket.
    pub listen: Listen,
    /// Why not, and what to do about it.
    pub reason: String,
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
        let sockets = listen.iter().map(Socket::open).collect::<Result<_, _>>()?;
        Ok(Server { sockets, host, reception, limits })
    }

    /// Where it listens, in the order of [`bind`](Server::bind), with the ports that the system chose.
    pub fn local_addrs(&self) -> Vec<Listen> {
        self.sockets.iter().map(Socket::listen).collect()
    }

    /// Serves clients until `stop` says true or its sender is gone.
    ///
    /// Then the sockets are closed, a client that is not sending a message is told `421 4.3.2`, and one that is may
    /// go on for [`Limits::stop`]. Must be awaited in a tokio runtime with I/O and time.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let _ = (&self.host, &self.reception, &self.limits);
        // A sender that is gone cannot say anything any more: that ends the server as well.
        let _ = stop.wait_for(|stop| *stop).await;
    }
}

impl Socket {
    fn open(listen: &Listen) -> Result<Socket, BindError> {
        let failed = |error: std::io::Error| BindError { listen: listen.clone(), reason: error.to_string() };
        let tcp = |address: &SocketAddr| TcpListener::bind(address).map_err(failed);
        match listen {
            Listen::Lmtp(address) => Ok(Socket::Lmtp(tcp(address)?)),
            Listen::LmtpUnix(path) => Ok(Socket::LmtpUnix(UnixListener::bind(path).map_err(failed)?, path.clone())),
            Listen::Smtp(address) => Ok(Socket::Smtp(tcp(address)?)),
        }
    }

    fn listen(&self) -> Listen {
        let address =
            |listener: &TcpListener| listener.local_addr().expect("a listening socket has an address of its own");
        match self {
            Socket::Lmtp(listener) => Listen::Lmtp(address(listener)),
            Socket::LmtpUnix(_, path) => Listen::LmtpUnix(path.clone()),
            Socket::Smtp(listener) => Listen::Smtp(address(listener)),
        }
    }
}
