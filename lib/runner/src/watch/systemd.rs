//! systemd's protocol of readiness and watchdog: a datagram to the socket that `NOTIFY_SOCKET` names (sd_notify(3)).

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;

/// Tells the service manager how this process fares; clones are the same one.
#[derive(Debug, Clone)]
pub struct Notifier {
    socket: Arc<UnixDatagram>,
    manager: SocketAddr,
}

impl Notifier {
    /// To the socket with this name: a path, or behind `@` an abstract one.
    ///
    /// # Errors
    /// It is no name of a socket, or the system gives none.
    pub fn new(name: &OsStr) -> io::Result<Notifier> {
        let manager = match name.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            [b'/', ..] => SocketAddr::from_pathname(name)?,
            _ => return Err(io::Error::other("it begins neither with / nor with @")),
        };
        Ok(Notifier { socket: Arc::new(UnixDatagram::unbound()?), manager })
    }

    /// It serves.
    pub fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={status}"));
    }

    /// All its runners make progress.
    pub fn alive(&self) {
        self.send("WATCHDOG=1");
    }

    /// It is about to end.
    pub fn stopping(&self) {
        self.send("STOPPING=1\nSTATUS=finishing what is in hand");
    }

    fn send(&self, state: &str) {
        if let Err(error) = self.socket.send_to_addr(state.as_bytes(), &self.manager) {
            tracing::warn!("the service manager cannot be told {state:?}: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(socket: &UnixDatagram) -> String {
        let mut bytes = [0; 200];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    #[test]
    fn it_tells_a_path_and_an_abstract_name() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("notify");
        let name = format!("listmill-test-{}", std::process::id());
        let abstract_name = SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
        for (socket, name) in [
            (UnixDatagram::bind(&path).unwrap(), path.to_string_lossy().into_owned()),
            (UnixDatagram::bind_addr(&abstract_name).unwrap(), format!("@{name}")),
        ] {
            let notifier = Notifier::new(OsStr::new(&name)).unwrap();
            notifier.ready("serving auth");
            assert_eq!(received(&socket), "READY=1\nSTATUS=serving auth");
            notifier.alive();
            assert_eq!(received(&socket), "WATCHDOG=1");
            notifier.stopping();
            assert!(received(&socket).starts_with("STOPPING=1\n"));
        }
        assert!(Notifier::new(OsStr::new("relative")).is_err());
    }
}
