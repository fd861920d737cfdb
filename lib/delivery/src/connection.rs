//! A connection of either kind, and how it comes about.

use std::path::PathBuf;
use std::sync::Arc;

use crate::maildir::MaildirRelay;
use crate::smtp::{Endpoint, Security, SmtpRelay, Trust};
use crate::{Broken, Outgoing, Relay, RelayUrl, Reply, SetupError, Timeouts};

/// The next host, ready to be connected to.
#[derive(Debug)]
pub(crate) enum NextHost {
    /// One that speaks SMTP or LMTP.
    Wire(Box<Endpoint>),
    /// A maildir.
    Maildir(MaildirRelay),
}

impl NextHost {
    /// What the relay's URL names.
    pub(crate) fn new(
        relay: RelayUrl,
        helo: String,
        timeouts: Timeouts,
        ca_file: Option<PathBuf>,
    ) -> Result<NextHost, SetupError> {
        let trust = || Trust::new(ca_file.as_deref());
        let (host, security) = match relay {
            RelayUrl::Smtp(host) => (host, Security::Plain),
            RelayUrl::SmtpStartTls(host) => (host, Security::StartTls(trust()?)),
            RelayUrl::Smtps(host) => (host, Security::Tls(trust()?)),
            RelayUrl::Lmtp(host) => (host, Security::Lmtp),
            RelayUrl::Maildir(dir) => {
                let wrong = |error| SetupError { reason: format!("the maildir {}: {error}", dir.display()) };
                return MaildirRelay::open(&dir, &helo).map(NextHost::Maildir).map_err(wrong);
            }
        };
        Ok(NextHost::Wire(Box::new(Endpoint { host, security, helo, timeouts, believed: Arc::default() })))
    }

    /// A new connection; the reply is what each recipient is told when there is none.
    pub(crate) async fn connect(&self) -> Result<Connection, Reply> {
        match self {
            NextHost::Maildir(maildir) => Ok(Connection::Maildir(maildir.clone())),
            NextHost::Wire(endpoint) => match endpoint.connect().await {
                Ok(relay) => Ok(Connection::Wire(Box::new(relay))),
                Err(error) => Err(error.reply()),
            },
        }
    }
}

impl Connection {
    /// What the next host offers, by name.
    pub(crate) fn offers(&self) -> Vec<&'static str> {
        match self {
            Connection::Wire(relay) => relay.offers(),
            Connection::Maildir(_) => Vec::new(),
        }
    }
}

/// A connection.
pub(crate) enum Connection {
    /// To a host that speaks SMTP or LMTP.
    Wire(Box<SmtpRelay>),
    /// To a maildir.
    Maildir(MaildirRelay),
}

impl Relay for Connection {
    async fn transact(&mut self, outgoing: &Outgoing<'_>, next: Option<&Outgoing<'_>>) -> Result<Vec<Reply>, Broken> {
        match self {
            Connection::Wire(relay) => relay.transact(outgoing, next).await,
            Connection::Maildir(relay) => relay.transact(outgoing, next).await,
        }
    }

    fn takes_ahead(&self) -> bool {
        match self {
            Connection::Wire(relay) => relay.takes_ahead(),
            Connection::Maildir(relay) => relay.takes_ahead(),
        }
    }

    fn makes_paths(&self) -> bool {
        match self {
            Connection::Wire(relay) => relay.makes_paths(),
            Connection::Maildir(relay) => relay.makes_paths(),
        }
    }

    fn is_ahead(&self) -> bool {
        match self {
            Connection::Wire(relay) => relay.is_ahead(),
            Connection::Maildir(relay) => relay.is_ahead(),
        }
    }

    fn is_broken(&self) -> bool {
        match self {
            Connection::Wire(relay) => relay.is_broken(),
            Connection::Maildir(relay) => relay.is_broken(),
        }
    }

    async fn quit(self) {
        match self {
            Connection::Wire(relay) => relay.quit().await,
            Connection::Maildir(relay) => relay.quit().await,
        }
    }
}
