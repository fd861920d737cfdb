//! From nothing to a connection that takes transactions: TCP, TLS, EHLO, AUTH.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Auth, Ehlo, Starttls};
use lettre::transport::smtp::extension::ClientId;
use rustix::io::Errno;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{sleep, timeout};

use super::believed::Believed;
use super::offers::Offers;
use super::talk::SmtpRelay;
use super::tls::Trust;
use super::wire::{Link, Wire};
use crate::url::{Host, Login};
use crate::{Reply, Timeouts};

/// After a connection for which this host had no descriptor or no memory, until the next try.
const SHORTAGE: Duration = Duration::from_millis(100);

/// How the conversation is encrypted, and which protocol it is.
#[derive(Debug, Clone)]
pub(crate) enum Security {
    /// Not at all.
    Plain,
    /// After STARTTLS.
    StartTls(Trust),
    /// From the first byte.
    Tls(Trust),
    /// LMTP; not at all.
    Lmtp,
}

/// A next host that speaks SMTP or LMTP, and how we speak to it.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    /// The host.
    pub(crate) host: Host,
    /// Encryption and protocol.
    pub(crate) security: Security,
    /// Our name in EHLO.
    pub(crate) helo: String,
    /// Limits.
    pub(crate) timeouts: Timeouts,
    /// Which of its offers are believed.
    pub(crate) believed: Arc<Believed>,
}

/// No connection. Whatever a next host says before the first transaction is about us and our configuration, never about a
/// recipient: the code is 0 even where it said 5xx, and every recipient waits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no connection to {place}: {reason}")]
pub(crate) struct NotConnected {
    /// Host and port.
    pub(crate) place: String,
    /// What stands in the way.
    pub(crate) reason: String,
}

impl NotConnected {
    /// What each recipient is told: RFC 3463 §3.5, X.4.1.
    pub(crate) fn reply(&self) -> Reply {
        Reply::none("4.4.1", self.to_string())
    }
}

impl Endpoint {
    /// A connection that takes transactions.
    pub(crate) async fn connect(&self) -> Result<SmtpRelay, NotConnected> {
        self.try_connect()
            .await
            .map_err(|reason| NotConnected { place: format!("{}:{}", self.host.name, self.host.port), reason })
    }

    async fn try_connect(&self) -> Result<SmtpRelay, String> {
        let (socket, peer) = self.dial().await?;
        let link = match &self.security {
            Security::Tls(trust) => self.encrypt(trust, socket).await?,
            _ => Link::Plain(socket),
        };
        let is_lmtp = matches!(self.security, Security::Lmtp);
        let wire = Wire::new(link, peer, self.timeouts.block, is_lmtp);
        wire.set_patience(self.timeouts.greeting);
        let hello = ClientId::Domain(self.helo.clone());
        let connection = AsyncSmtpConnection::connect_with_transport(Box::new(wire.clone()), &hello).await;
        let mut connection = connection.map_err(|error| refusal(&error))?;
        if let Security::StartTls(trust) = &self.security {
            self.starttls(trust, &mut connection, &wire).await?;
        }
        let offers = Offers::of(&wire.last_reply().map(|(_, lines)| lines).unwrap_or_default());
        if let Some(login) = &self.host.login {
            log_in(login, &offers, &mut connection).await?;
        }
        drop(connection);
        let believed = Arc::clone(&self.believed);
        Ok(SmtpRelay::new(wire.into_pipe(), offers, self.timeouts, believed, is_lmtp))
    }

    async fn dial(&self) -> Result<(TcpStream, SocketAddr), String> {
        let limit = self.timeouts.connect;
        let too_late = |_| format!("no connection within {} s", limit.as_secs());
        let found = timeout(limit, lookup_host((self.host.name.as_str(), self.host.port))).await.map_err(too_late)?;
        let mut last = "the name has no address".to_owned();
        for address in found.map_err(|error| format!("the name cannot be looked up: {error}"))? {
            match timeout(limit, connect(address)).await.map_err(too_late) {
                Ok(Ok(socket)) => {
                    // Without it each message waits 40 ms for a delayed ACK.
                    socket.set_nodelay(true).map_err(|error| error.to_string())?;
                    return Ok((socket, address));
                }
                Ok(Err(error)) => last = error.to_string(),
                Err(late) => last = late,
            }
        }
        Err(last)
    }

    async fn encrypt(&self, trust: &Trust, socket: TcpStream) -> Result<Link, String> {
        match timeout(self.timeouts.greeting, trust.handshake(&self.host.name, socket)).await {
            Ok(Ok(stream)) => Ok(Link::Tls(Box::new(stream))),
            Ok(Err(error)) => Err(format!("TLS: {error}")),
            Err(_) => Err("TLS: no handshake in time".to_owned()),
        }
    }

    /// RFC 3207: what was offered before the handshake is forgotten, so EHLO is said again.
    async fn starttls(&self, trust: &Trust, connection: &mut AsyncSmtpConnection, wire: &Wire) -> Result<(), String> {
        let offers = Offers::of(&wire.last_reply().map(|(_, lines)| lines).unwrap_or_default());
        if !offers.starttls {
            return Err("STARTTLS is not offered, and nothing is sent without it".to_owned());
        }
        connection.command(Starttls).await.map_err(|error| refusal(&error))?;
        let socket = wire.take_plain().ok_or("something was said between STARTTLS and the handshake")?;
        wire.put(self.encrypt(trust, socket).await?);
        let hello = Ehlo::new(ClientId::Domain(self.helo.clone()));
        connection.command(hello).await.map_err(|error| refusal(&error))?;
        Ok(())
    }
}

/// AUTH (RFC 4954); only ever called within TLS, because the relay's URL takes no password otherwise.
async fn log_in(login: &Login, offers: &Offers, connection: &mut AsyncSmtpConnection) -> Result<(), String> {
    let mechanism = match offers {
        Offers { auth_plain: true, .. } => Mechanism::Plain,
        Offers { auth_login: true, .. } => Mechanism::Login,
        _ => return Err("neither AUTH PLAIN nor AUTH LOGIN is offered".to_owned()),
    };
    let credentials = Credentials::new(login.user.clone(), login.password.clone());
    let mut command = Auth::new(mechanism, credentials.clone(), None).map_err(|error| error.to_string())?;
    // LOGIN asks twice: for the user name and for the password.
    for _ in 0..3 {
        let response = connection.command(command).await.map_err(|error| format!("AUTH: {}", refusal(&error)))?;
        if !response.has_code(334) {
            return Ok(());
        }
        command =
            Auth::new_from_response(mechanism, credentials.clone(), &response).map_err(|error| error.to_string())?;
    }
    Err("AUTH: the next host asks and asks".to_owned())
}

/// A connection to this address. While this host has no descriptor or no memory for one more it waits: that says nothing of the next host, and
/// the recipients need not wait for minutes because of it.
async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    loop {
        match TcpStream::connect(address).await {
            Err(error) if is_ours(&error) => sleep(SHORTAGE).await,
            done => return done,
        }
    }
}

fn is_ours(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM))
}

/// What went wrong: the reply where the next host refused, else what happened to the connection.
fn refusal(error: &lettre::transport::smtp::Error) -> String {
    match error.status() {
        Some(code) => format!("the next host said {code} {}", innermost(error)),
        None => innermost(error),
    }
}

/// The first cause: lettre's own words around it tell an operator nothing.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
