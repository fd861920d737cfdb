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
    /// `lmtp://HOST[:24]`: one reply per recipient (RFC 2033); no encryption.
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

impl fmt::Display for RelayUrl {
    /// As it is written, without user and password: for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host) = match self {
            RelayUrl::Smtp(host) => ("smtp", host),
            RelayUrl::SmtpStartTls(host) => ("smtp+starttls", host),
            RelayUrl::Smtps(host) => ("smtps", host),
            RelayUrl::Lmtp(host) => ("lmtp", host),
            RelayUrl::Maildir(dir) => return write!(f, "maildir:{}", dir.display()),
        };
        match host.name.contains(':') {
            true => write!(f, "{scheme}://[{}]:{}", host.name, host.port),
            false => write!(f, "{scheme}://{}:{}", host.name, host.port),
        }
    }
}

/// The text names no next host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{url:?} is not a relay: {reason}")]
pub struct RelayUrlError {
    /// What was written, without user and password.
    pub url: String,
    /// What is wrong with it.
    pub reason: String,
}

const FORMS: &str =
    "the forms are smtp://HOST:PORT, smtp+starttls://HOST:PORT, smtps://HOST:PORT, lmtp://HOST:PORT and maildir:DIR";

impl FromStr for RelayUrl {
    type Err = RelayUrlError;

    fn from_str(text: &str) -> Result<Self, RelayUrlError> {
        let wrong = |reason: &str| RelayUrlError { url: without_login(text), reason: reason.to_owned() };
        if let Some(dir) = text.strip_prefix("maildir:") {
            return if dir.is_empty() {
                Err(wrong("maildir: names no directory"))
            } else {
                Ok(Self::Maildir(dir.into()))
            };
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong(FORMS))?;
        let (form, port, secret): (fn(Host) -> RelayUrl, u16, bool) = match scheme {
            "smtp" => (RelayUrl::Smtp, 25, false),
            "smtp+starttls" => (RelayUrl::SmtpStartTls, 587, true),
            "smtps" => (RelayUrl::Smtps, 465, true),
            "lmtp" => (RelayUrl::Lmtp, 24, false),
            _ => return Err(wrong(FORMS)),
        };
        let host = host(rest, port).map_err(wrong)?;
        if host.login.is_some() && !secret {
            return Err(wrong("a password is only sent over TLS: use smtps:// or smtp+starttls://"));
        }
        Ok(form(host))
    }
}

fn host(text: &str, default_port: u16) -> Result<Host, &'static str> {
    let text = text.strip_suffix('/').unwrap_or(text);
    let (login, place) = match text.rsplit_once('@') {
        Some((login, place)) => (Some(self::login(login)?), place),
        None => (None, text),
    };
    let (name, port) = match place.strip_prefix('[') {
        // An IPv6 address stands in brackets: it has colons itself.
        Some(rest) => {
            let (name, port) = rest.split_once(']').ok_or("the bracket does not end")?;
            (name, if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or("after ] comes :PORT")?) })
        }
        None => place.split_once(':').map_or((place, None), |(name, port)| (name, Some(port))),
    };
    if name.is_empty() || name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '/') {
        return Err("the host is missing or is not a host name");
    }
    let port =
        port.map_or(Ok(default_port), |port| port.parse().map_err(|_| "the port is not a number from 1 to 65535"))?;
    if port == 0 {
        Err("the port is not a number from 1 to 65535")
    } else {
        Ok(Host { name: name.to_owned(), port, login })
    }
}

fn login(text: &str) -> Result<Login, &'static str> {
    let (user, password) = text.split_once(':').ok_or("before @ stands USER:PASSWORD")?;
    let decoded = |part: &str| percent_decoded(part).ok_or("a % is not followed by two hexadecimal digits of UTF-8");
    Ok(Login { user: decoded(user)?, password: decoded(password)? })
}

/// `%40` is `@` (RFC 3986 §2.1); nothing else is decoded.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first == b'%' {
            let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = tail.get(2..)?;
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

fn without_login(text: &str) -> String {
    match (text.split_once("://"), text.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, place))) => format!("{scheme}://…@{place}"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(name: &str, port: u16) -> Host {
        Host { name: name.to_owned(), port, login: None }
    }

    #[test]
    fn each_form_is_read_and_written() {
        let url = |text: &str| text.parse::<RelayUrl>().unwrap();
        assert_eq!(url("smtp://127.0.0.1:2525"), RelayUrl::Smtp(plain("127.0.0.1", 2525)));
        assert_eq!(url("smtp://mx.example.org"), RelayUrl::Smtp(plain("mx.example.org", 25)));
        assert_eq!(url("smtps://[::1]/"), RelayUrl::Smtps(plain("::1", 465)));
        assert_eq!(url("smtp://[::1]:26").to_string(), "smtp://[::1]:26");
        assert_eq!(url("lmtp://127.0.0.1:24"), RelayUrl::Lmtp(plain("127.0.0.1", 24)));
        assert_eq!(url("maildir:out/mail"), RelayUrl::Maildir("out/mail".into()));
        let RelayUrl::SmtpStartTls(host) = url("smtp+starttls://me%40example.org:p%3a@ss@mx.example.org") else {
            panic!()
        };
        assert_eq!(host.login, Some(Login { user: "me@example.org".to_owned(), password: "p:@ss".to_owned() }));
        assert_eq!((host.name.as_str(), host.port), ("mx.example.org", 587));
    }

    #[test]
    fn what_is_none_is_refused_without_telling_the_password() {
        for text in [
            "",
            "mx.example.org",
            "http://a",
            "smtp://",
            "smtp://:25",
            "smtp://a:b",
            "smtp://a:0",
            "smtp://a:70000",
            "maildir:",
            "smtp://[::1",
            "smtp://[::1]25",
            "smtp://a b",
            "smtps://user@host",
            "smtps://u:%zz@host",
            "smtp://user:hidden@host",
            "lmtp://user:hidden@host",
            "smtp://a/b",
        ] {
            let error = text.parse::<RelayUrl>().expect_err(text);
            assert!(!error.to_string().contains("hidden"), "{error}");
        }
        assert!(!format!("{:?}", "smtps://u:hidden@h".parse::<RelayUrl>().unwrap()).contains("hidden"));
    }
}
