//! Where to listen, and which of the two protocols is spoken there.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// One listening socket. Its text form is the site file's: `lmtp://127.0.0.1:8024`, `lmtp+unix:/run/listmill/lmtp`,
/// `smtp://[::1]:2525`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// LMTP over TCP; never on port 25 (RFC 2033 §5).
    Lmtp(SocketAddr),
    /// LMTP over a Unix socket, which the owner and the group of its file may use (mode 0660).
    LmtpUnix(PathBuf),
    /// SMTP over TCP.
    Smtp(SocketAddr),
}

/// The text does not name a listening socket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an address to listen on: {reason}")]
pub struct ListenError {
    /// What was given.
    pub text: String,
    /// What is wrong with it, and what to write instead.
    pub reason: String,
}

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        let wrong = |reason: &str| ListenError { text: text.to_owned(), reason: reason.to_owned() };
        if let Some(path) = text.strip_prefix("lmtp+unix:") {
            let path = PathBuf::from(path);
            return match path.file_name() {
                Some(_) => Ok(Listen::LmtpUnix(path)),
                None => Err(wrong("the path of the socket is missing, as in lmtp+unix:/run/listmill/lmtp")),
            };
        }
        let (scheme, place) = text
            .split_once("://")
            .ok_or_else(|| wrong("it must be lmtp://host:port, lmtp+unix:/path or smtp://host:port"))?;
        let address = socket_address(place.strip_suffix('/').unwrap_or(place)).ok_or_else(|| {
            wrong("behind :// must stand an IP address or localhost, and a port, as in lmtp://127.0.0.1:8024")
        })?;
        match scheme {
            // RFC 2033 §5: LMTP must not be used on the SMTP port.
            "lmtp" if address.port() == 25 => Err(wrong("port 25 is SMTP's, LMTP must use another one")),
            "lmtp" => Ok(Listen::Lmtp(address)),
            "smtp" => Ok(Listen::Smtp(address)),
            _ => Err(wrong("the scheme must be lmtp, lmtp+unix or smtp")),
        }
    }
}

/// An IP address or `localhost`, and a port. Other names are not looked up: what they mean may change, and a listening
/// socket must not.
fn socket_address(text: &str) -> Option<SocketAddr> {
    match text.strip_prefix("localhost:") {
        Some(port) => Some((Ipv4Addr::LOCALHOST, port.parse().ok()?).into()),
        None => text.parse().ok(),
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Lmtp(address) => write!(f, "lmtp://{address}"),
            Listen::LmtpUnix(path) => write!(f, "lmtp+unix:{}", path.display()),
            Listen::Smtp(address) => write!(f, "smtp://{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_the_site_file_are_read_and_written() {
        for text in ["lmtp://127.0.0.1:8024", "lmtp://[::1]:0", "lmtp+unix:/run/listmill/lmtp", "smtp://192.0.2.1:25"] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
        }
        assert_eq!("lmtp://localhost:8024/".parse::<Listen>().unwrap().to_string(), "lmtp://127.0.0.1:8024");
        assert_eq!("lmtp+unix:run/lmtp".parse(), Ok(Listen::LmtpUnix("run/lmtp".into())));
    }

    #[test]
    fn anything_else_is_refused_with_what_to_write_instead() {
        for text in [
            "",
            "lmtp",
            "lmtp://",
            "lmtp://127.0.0.1",
            "lmtp://127.0.0.1:99999",
            "lmtp://mx.example.org:24",
            "lmtp://127.0.0.1:25",
            "lmtp+unix:",
            "lmtp+unix:/",
            "http://127.0.0.1:80",
            "127.0.0.1:8024",
        ] {
            let error = text.parse::<Listen>().expect_err(text);
            assert!(!error.reason.is_empty(), "{text}");
        }
    }
}
