//! Where outbound hands messages to: the `relay` key of the site file.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The next host, as the site file names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RelayUrl {
    /// `smtp://HOST[:25]`: no encryption; for a relay on this machine or this network.
    Smtp(Host),
    /// `smtp+starttls://[USER:PASSWORD@]HOST[:587]`: STARTTLS (RFC 3207) and a valid certificate, or nothing is sent.
    SmtpStartTls(Host),
    /// `smtps://[USER:PASSWORD@]HOST[:465]`: TLS from the first byte (RFC 8314) and a valid certificate.
    Smtps(Host),
    /// `lmtp://HOST[:24]`: one reply per recipient (RFC 2033).
    Lmtp(Host),
    /// `maildir:DIR`: staging. Each copy becomes a file, no mail leaves.
    Maildir(PathBuf),
}

/// A host that speaks SMTP or LMTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Host name or IP address; the name that its certificate must carry.
    pub name: String,
    /// TCP port.
    pub port: u16,
    /// What to log in with; only over TLS.
    pub login: Option<Login>,
}

/// A user name and a password for AUTH (RFC 4954).
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// User name.
    pub user: String,
    /// Password.
    pub password: String,
}

impl fmt::Debug for Login {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// The text names no next host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{url:?} is not a relay: {reason}")]
pub struct RelayUrlError {
    /// What was written, without a password.
    pub url: String,
    /// What is wrong with it.
    pub reason: String,
}

impl FromStr for RelayUrl {
    type Err = RelayUrlError;

    fn from_str(text: &str) -> Result<Self, RelayUrlError> {
        Err(RelayUrlError { url: text.to_owned(), reason: "not read yet".to_owned() })
    }
}
