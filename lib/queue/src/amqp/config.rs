//! Which broker, and as whom.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use lapin::ConnectionProperties;
use lapin::tcp::OwnedTLSConfig;
use lapin::uri::AMQPUri;

use crate::QueueError;
use crate::error::Kind;

/// After so many seconds without a sign of life either side takes the connection for dead (twice that, as AMQP counts). A link that
/// was cut is noticed by this alone.
const HEARTBEAT: u16 = 5;

/// Which broker, and how it is used.
#[derive(Clone)]
pub struct AmqpConfig {
    /// `amqp://USER:PASSWORD@HOST:PORT/VHOST`, or `amqps://` for TLS; `%2f` is the virtual host `/`.
    pub url: String,
    /// Certificates (PEM) that are believed beside the system's, for `amqps`.
    pub ca_file: Option<PathBuf>,
    /// The name of this host; the broker's operator sees it beside the connection.
    pub host: String,
    /// Entries that this process takes ahead from each class of a queue, those in hand included. Small, so that several processes
    /// share fairly; at least the number of threads that serve a queue, so that none of them waits.
    pub prefetch: u16,
    /// How long a call waits before it says "try again later": so long for a connection, if there is none, and then so long for its answer. What
    /// is written has a second more for each 256 KiB.
    pub patience: Duration,
}

impl AmqpConfig {
    /// The broker at `url`, with what serves most: 32 entries ahead, ten seconds of patience.
    pub fn new(url: impl Into<String>, host: impl Into<String>) -> Self {
        let (url, host) = (url.into(), host.into());
        AmqpConfig { url, ca_file: None, host, prefetch: 32, patience: Duration::from_secs(10) }
    }

    /// The address of the broker without the password, for people.
    pub fn broker(&self) -> String {
        match self.url.parse::<AMQPUri>() {
            Ok(uri) => format!("{}://{}:{}/{}", uri.scheme, uri.authority.host, uri.authority.port, uri.vhost),
            Err(_) => "a broker whose url cannot be read".to_owned(),
        }
    }

    /// The parsed URL.
    pub(super) fn uri(&self) -> Result<AMQPUri, QueueError> {
        let wrong = |why| QueueError::new("read the broker's url", "[queue] url", Kind::Setup(why));
        let mut uri: AMQPUri = self.url.parse().map_err(wrong)?;
        // The library takes a literal IPv6 address for none at all, and then connects to localhost.
        if let Some(host) = literal_v6(&self.url) {
            uri.authority.host = host.to_owned();
        }
        uri.query.heartbeat.get_or_insert(HEARTBEAT);
        Ok(uri)
    }

    pub(super) fn tls(&self) -> Result<OwnedTLSConfig, QueueError> {
        let Some(path) = &self.ca_file else { return Ok(OwnedTLSConfig::default()) };
        let read = std::fs::read_to_string(path);
        let chain = read.map_err(|error| QueueError::os("read the certificates in", path.display(), error))?;
        if !chain.contains("-----BEGIN CERTIFICATE-----") {
            let why = "there is no certificate in it (PEM)".to_owned();
            return Err(QueueError::new("read the certificates in", path.display(), Kind::Setup(why)));
        }
        Ok(OwnedTLSConfig { identity: None, cert_chain: Some(chain) })
    }

    /// `what` tells the connections of a process apart.
    pub(super) fn properties(&self, what: &str) -> ConnectionProperties {
        ConnectionProperties::default().with_connection_name(format!("listmill on {}, {what}", self.host).into())
    }
}

fn literal_v6(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    host.strip_prefix('[')?.split_once(']').map(|(host, _)| host)
}

impl fmt::Debug for AmqpConfig {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AmqpConfig")
            .field("broker", &self.broker())
            .field("ca_file", &self.ca_file)
            .field("host", &self.host)
            .field("prefetch", &self.prefetch)
            .field("patience", &self.patience)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_and_its_password_never_shown() {
        let config = AmqpConfig::new("amqps://out1:s3cret@broker.example.org/lists", "out1");
        let uri = config.uri().unwrap();
        assert_eq!(
            (uri.authority.host.as_str(), uri.authority.port, uri.vhost.as_str()),
            ("broker.example.org", 5671, "lists")
        );
        assert_eq!(uri.query.heartbeat, Some(HEARTBEAT));
        assert!(!format!("{config:?}").contains("s3cret"));
        assert_eq!(config.broker(), "amqps://broker.example.org:5671/lists");
        assert!(AmqpConfig::new("http://x", "h").uri().is_err());
    }

    #[test]
    fn an_ipv6_address_is_not_taken_for_localhost() {
        let host = |url| AmqpConfig::new(url, "h").uri().unwrap().authority.host;
        assert_eq!(host("amqp://u:p@[2001:db8::5]:5673/%2f"), "2001:db8::5");
        assert_eq!(host("amqp://192.0.2.5/%2f"), "192.0.2.5");
    }
}
