//! How this host gets into the broker or the database: an address, and credentials of its own.

use std::fs;
use std::path::PathBuf;

/// Stands for the name of the host in a user's name, a file's, and [`Site::host`](super::Site::host).
pub(super) const HOST: &str = "{host}";

/// A service that the site file names, and who this host is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Its URL, for this host.
    pub url: String,
    /// Where the password of the URL's user stands, unless the URL has it.
    pub password_file: Option<PathBuf>,
    /// Certificates to trust beside the system's.
    pub ca_file: Option<PathBuf>,
    /// The key of the site file that names the password file.
    key: &'static str,
}

/// The parts of a URL that are looked at here.
struct Parts<'a> {
    scheme: &'a str,
    user: Option<&'a str>,
    password: Option<&'a str>,
    /// Host, port, and what follows.
    place: &'a str,
}

impl<'a> Parts<'a> {
    fn of(url: &'a str) -> Option<Parts<'a>> {
        let (scheme, rest) = url.split_once("://")?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (login, place) = match rest[..end].rfind('@') {
            Some(at) => (Some(&rest[..at]), &rest[at + 1..]),
            None => (None, rest),
        };
        let (user, password) = match login.map(|login| login.split_once(':')) {
            Some(Some((user, password))) => (Some(user), Some(password)),
            _ => (login, None),
        };
        let is_host = !place.is_empty() && !place.starts_with(['/', ':', '?']);
        is_host.then_some(Parts { scheme, user, password, place })
    }
}

impl Access {
    /// Checks what the site file says. An error is the key behind `key` and what is wrong with it.
    pub(super) fn new(
        key: &'static str,
        schemes: &[&str],
        url: &str,
        password_file: Option<PathBuf>,
        ca_file: Option<PathBuf>,
    ) -> Result<Access, (&'static str, String)> {
        let form = || format!("is not a URL of the form {}://USER@HOST/…", schemes[0]);
        let parts = Parts::of(url).filter(|parts| schemes.contains(&parts.scheme));
        let parts = parts.ok_or_else(|| ("url", form()))?;
        if parts.place.contains(['{', '}']) || parts.password.is_some_and(|password| password.contains(HOST)) {
            return Err(("url", format!("{HOST} can only be in the name of the user")));
        }
        match (&password_file, parts.user, parts.password) {
            (Some(_), None, _) => Err(("password_file", "the url names no user whose password it could be".to_owned())),
            (Some(_), _, Some(_)) => {
                Err(("password_file", "the url has a password already: take one of the two away".to_owned()))
            }
            _ => Ok(Access { url: url.to_owned(), password_file, ca_file, key }),
        }
    }

    /// The scheme of the URL.
    pub(super) fn scheme(&self) -> &str {
        Parts::of(&self.url).map_or("", |parts| parts.scheme)
    }

    /// The URL without a password, for people.
    pub fn shown(&self) -> String {
        match Parts::of(&self.url) {
            Some(Parts { scheme, user: Some(user), place, .. }) => format!("{scheme}://{user}@{place}"),
            _ => self.url.clone(),
        }
    }

    /// The URL itself has a password.
    pub fn has_password(&self) -> bool {
        Parts::of(&self.url).is_some_and(|parts| parts.password.is_some())
    }

    /// Host and port; none where the URL names no port and its scheme has none that is known.
    pub fn address(&self) -> Option<(String, u16)> {
        let parts = Parts::of(&self.url)?;
        let place = parts.place.split(['/', '?']).next()?;
        let usual = match parts.scheme {
            "amqp" => 5672,
            "amqps" => 5671,
            "postgres" | "postgresql" => 5432,
            _ => return None,
        };
        // An IPv6 address stands in brackets (RFC 3986 §3.2.2).
        let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
        };
        Some((host.to_owned(), port.map_or(Some(usual), |port| port.parse().ok())?))
    }

    /// The password that stands in the password file; none where the site file names no such file.
    ///
    /// # Errors
    /// A sentence that names the file.
    pub fn password(&self) -> Result<Option<String>, String> {
        let Some(file) = &self.password_file else { return Ok(None) };
        let text = fs::read_to_string(file).map_err(|error| {
            format!("failed to read the password of {} in {} ({}): {error}", self.shown(), file.display(), self.key)
        })?;
        match text.trim_end_matches(['\r', '\n']) {
            "" => Err(format!("the password file {} is empty", file.display())),
            password => Ok(Some(password.to_owned())),
        }
    }

    /// The URL with its password, wherever that stands.
    ///
    /// # Errors
    /// As [`password`](Self::password).
    pub fn url_with_password(&self) -> Result<String, String> {
        let Some(password) = self.password()? else { return Ok(self.url.clone()) };
        match Parts::of(&self.url) {
            Some(Parts { scheme, user: Some(user), place, .. }) => {
                Ok(format!("{scheme}://{user}:{}@{place}", encoded(&password)))
            }
            _ => Ok(self.url.clone()),
        }
    }
}

/// As a password stands in a URL (RFC 3986 §2.1).
fn encoded(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const AMQP: &[&str] = &["amqp", "amqps"];

    #[test]
    fn a_password_comes_from_its_file_and_is_never_shown() {
        let dir = tempfile::TempDir::new().unwrap();
        let file = dir.path().join("queue-mx1");
        let access = |url| Access::new("queue.password_file", AMQP, url, Some(file.clone()), None).unwrap();
        let access = access("amqp://mx1@mq.example.org:5672/%2f");
        assert!(access.url_with_password().unwrap_err().contains("queue-mx1"));
        fs::write(&file, "p@ss/word\n").unwrap();
        assert_eq!(access.url_with_password().unwrap(), "amqp://mx1:p%40ss%2Fword@mq.example.org:5672/%2f");
        let own = Access::new("queue.password_file", AMQP, "amqp://guest:secret@127.0.0.1", None, None).unwrap();
        assert_eq!(own.shown(), "amqp://guest@127.0.0.1");
        assert_eq!(own.address(), Some(("127.0.0.1".to_owned(), 5672)));
        assert_eq!(access.address(), Some(("mq.example.org".to_owned(), 5672)));
        let six = Access::new("queue.password_file", AMQP, "amqps://[::1]:9/x", None, None).unwrap();
        assert_eq!(six.address(), Some(("::1".to_owned(), 9)));
        assert_eq!(own.url_with_password().unwrap(), "amqp://guest:secret@127.0.0.1");
    }

    #[test]
    fn what_cannot_be_is_said_with_its_key() {
        let of = |url, file: Option<&str>| Access::new("queue.password_file", AMQP, url, file.map(PathBuf::from), None);
        for (url, file, key, part) in [
            ("http://127.0.0.1", None, "url", "amqp://USER@HOST"),
            ("amqp://", None, "url", "amqp://USER@HOST"),
            ("127.0.0.1:5672", None, "url", "amqp://USER@HOST"),
            ("amqp://u@{host}/", None, "url", "only be in the name of the user"),
            ("amqp://127.0.0.1/", Some("f"), "password_file", "names no user"),
            ("amqp://u:p@127.0.0.1/", Some("f"), "password_file", "has a password already"),
        ] {
            let (wrong, reason) = of(url, file).unwrap_err();
            assert!(wrong == key && reason.contains(part), "{url}: {wrong}: {reason}");
        }
    }
}
