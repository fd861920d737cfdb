//! Where the database is, and how it is reached.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::OpenError;

/// A connection that does not come about within this time is given up.
const CONNECT: Duration = Duration::from_secs(5);
/// A peer that says nothing for so long is asked whether it is still there, and given up when it has not answered for as long again.
const SILENCE: Duration = Duration::from_secs(15);

/// How to reach the database.
#[derive(Clone, Default)]
pub struct PostgresConfig {
    /// `postgres://user@host:port/database`, with `?sslmode=require` for TLS: the server's certificate is always verified, and so is
    /// its name. Several hosts, and sockets (`?host=/run/postgresql`), as libpq has them.
    pub url: String,
    /// The password, where it does not stand in the URL.
    pub password: Option<String>,
    /// Certificates (PEM) of those who may vouch for the server; none: those of the system.
    pub ca_file: Option<PathBuf>,
    /// So many connections at most; 0: [`PostgresConfig::POOL`].
    pub pool_size: usize,
}

impl PostgresConfig {
    /// So many connections at most where nothing is said: what a dozen runner threads use.
    pub const POOL: usize = 12;
}

impl fmt::Debug for PostgresConfig {
    /// The password is not for logs, and neither is a URL in which it may stand.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let location = Target::of(self).map_or_else(|_| "?".to_owned(), |target| target.location);
        write!(f, "PostgresConfig({location}, at most {} connections)", self.pool_size)
    }
}

/// A database, as the client wants it described.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) config: tokio_postgres::Config,
    /// For people: no password.
    pub(super) location: String,
    pub(super) pool_size: usize,
    tls: bool,
    ca_file: Option<PathBuf>,
}

impl Target {
    /// What this configuration says, checked as far as that goes without the database.
    pub(super) fn of(from: &PostgresConfig) -> Result<Target, OpenError> {
        // What the client's parser says of a URL may quote from it, and so from a password with an odd character in it.
        let wrong = |reason: &str| OpenError::Url { reason: reason.to_owned() };
        let scheme = ["postgres://", "postgresql://"].iter().any(|scheme| from.url.starts_with(scheme));
        if !scheme {
            return Err(wrong("it must begin with postgres://"));
        }
        let (url, mode) = without_sslmode(&from.url);
        let tls = match mode.as_deref() {
            None => from.ca_file.is_some(),
            Some("disable") if from.ca_file.is_none() => false,
            Some("disable") => return Err(wrong("a ca_file makes no sense with sslmode=disable")),
            Some("require" | "verify-ca" | "verify-full") => true,
            Some(_) => return Err(wrong("sslmode is one of disable, require, verify-full")),
        };
        let mut config: tokio_postgres::Config = url.parse().map_err(|_| {
            wrong("it is not of the form postgres://user@host:port/database, or has an option that is not known; what is odd in a \
                   password must stand as %xx")
        })?;
        config.ssl_mode(if tls { SslMode::Require } else { SslMode::Disable });
        if let Some(password) = &from.password {
            config.password(password);
        }
        if config.get_user().is_none() {
            return Err(wrong("it names no user"));
        }
        if config.get_hosts().is_empty() {
            return Err(wrong("it names no host"));
        }
        if config.get_application_name().is_none() {
            config.application_name("listmill");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        config
            .keepalives_idle(SILENCE)
            .keepalives_interval(SILENCE / 3)
            .keepalives_retries(3)
            .tcp_user_timeout(2 * SILENCE);
        let pool_size = if from.pool_size == 0 { PostgresConfig::POOL } else { from.pool_size };
        Ok(Target { location: location(&config), config, pool_size, tls, ca_file: from.ca_file.clone() })
    }

    /// What makes connections secret, where they are to be.
    pub(super) fn connector(&self) -> Result<MakeRustlsConnect, OpenError> {
        let roots = match &self.ca_file {
            _ if !self.tls => RootCertStore::empty(),
            Some(path) => roots_of(path)?,
            None => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                roots
            }
        };
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has what the default versions of TLS need")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(MakeRustlsConnect::new(tls))
    }

    /// What is said goes over a network that others may read.
    pub(super) fn is_readable(&self) -> bool {
        let far = |host: &Host| match host {
            Host::Tcp(name) => !matches!(name.as_str(), "localhost" | "::1") && !name.starts_with("127."),
            Host::Unix(_) => false,
        };
        !self.tls && self.config.get_hosts().iter().any(far)
    }
}

/// The URL without its `sslmode`, of which the client knows too few, and that.
fn without_sslmode(url: &str) -> (String, Option<String>) {
    let Some((head, query)) = url.rsplit_once('?') else { return (url.to_owned(), None) };
    let (modes, rest): (Vec<&str>, Vec<&str>) = query.split('&').partition(|pair| pair.starts_with("sslmode="));
    let mode = modes.last().and_then(|pair| pair.split_once('=')).map(|(_, mode)| mode.to_owned());
    let url = if rest.is_empty() { head.to_owned() } else { format!("{head}?{}", rest.join("&")) };
    (url, mode)
}

fn location(config: &tokio_postgres::Config) -> String {
    let ports = config.get_ports();
    let port = |at: usize| ports.get(at).or(ports.first()).copied().unwrap_or(5432);
    let hosts = config.get_hosts().iter().enumerate().map(|(at, host)| match host {
        Host::Tcp(name) => format!("{name}:{}", port(at)),
        Host::Unix(path) => format!("{}:{}", path.display(), port(at)),
    });
    let (user, hosts) = (config.get_user().unwrap_or_default(), hosts.collect::<Vec<_>>().join(","));
    format!("postgres://{user}@{hosts}/{}", config.get_dbname().unwrap_or(user))
}

fn roots_of(path: &Path) -> Result<RootCertStore, OpenError> {
    let wrong = |reason: String| OpenError::Certificates { path: path.to_owned(), reason };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))? {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() { Err(wrong("it has no certificate".to_owned())) } else { Ok(roots) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str) -> Result<Target, OpenError> {
        Target::of(&PostgresConfig { url: url.to_owned(), password: Some("hush".to_owned()), ..Default::default() })
    }

    #[test]
    fn a_url_says_where_and_no_password_is_shown() {
        let target = of("postgres://mill:hu%73h@db.example.org:5433/lists?sslmode=require").unwrap();
        assert_eq!(target.location, "postgres://mill@db.example.org:5433/lists");
        assert_eq!((target.config.get_ssl_mode(), target.is_readable()), (SslMode::Require, false));
        assert_eq!(target.config.get_password(), Some(&b"hush"[..]));
        assert!(!format!("{target:?}").contains("hush"));
        let config = PostgresConfig {
            url: "postgres://mill:hush@[::1/x".to_owned(),
            password: Some("hush".to_owned()),
            ..Default::default()
        };
        assert!(!format!("{config:?}").contains("hush"));
        assert!(of("postgres://mill@db.example.org/lists").unwrap().is_readable());
        assert!(!of("postgres://mill:hu?sh@db/lists?sslmode=verify-full&port=1").unwrap().is_readable());
        assert!(!of("postgres://mill@127.0.0.1/lists").unwrap().is_readable());
        assert!(of("postgres://mill@localhost/lists?host=/run/postgresql").is_ok());
    }

    #[test]
    fn what_is_no_url_is_refused_and_not_quoted() {
        for url in [
            "mysql://mill@db/lists",
            "host=db user=mill password=hush",
            "postgres://mill:hush@db/lists?sslmode=prefer",
            "postgres://mill:hush@db/lists?hush=1",
            "postgres://db/lists",
            "postgres:///lists",
        ] {
            let error = of(url).unwrap_err().to_string();
            assert!(!error.contains("hush") && !error.contains("hu?sh"), "{error}");
        }
    }
}
