//! Listening sockets of both kinds.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use crate::Listen;
use crate::session::Protocol;
use crate::wire::Stream;

/// Who may hand in mail over a Unix socket: the owner and the group of its file, nobody else on the host.
const UNIX_MODE: u32 = 0o660;

/// A socket that listens.
pub(crate) enum Socket {
    /// LMTP over TCP.
    Lmtp(TcpListener),
    /// LMTP over a Unix socket.
    LmtpUnix(UnixListener, SocketFile),
    /// SMTP over TCP.
    Smtp(TcpListener),
}

/// The file of a Unix socket, removed with its server.
pub(crate) struct SocketFile {
    path: PathBuf,
    inode: u64,
}

impl Socket {
    pub(crate) fn open(listen: &Listen) -> io::Result<Socket> {
        match listen {
            Listen::Lmtp(address) => Ok(Socket::Lmtp(tcp(address)?)),
            Listen::Smtp(address) => Ok(Socket::Smtp(tcp(address)?)),
            Listen::LmtpUnix(path) => {
                let (listener, file) = unix(path)?;
                Ok(Socket::LmtpUnix(listener, file))
            }
        }
    }

    /// Where it listens, with the port that the system chose.
    pub(crate) fn listen(&self) -> Listen {
        let address =
            |listener: &TcpListener| listener.local_addr().expect("a listening socket has an address of its own");
        match self {
            Socket::Lmtp(listener) => Listen::Lmtp(address(listener)),
            Socket::LmtpUnix(_, file) => Listen::LmtpUnix(file.path.clone()),
            Socket::Smtp(listener) => Listen::Smtp(address(listener)),
        }
    }

    /// The protocol that is spoken there.
    pub(crate) fn protocol(&self) -> Protocol {
        match self {
            Socket::Lmtp(_) | Socket::LmtpUnix(..) => Protocol::Lmtp,
            Socket::Smtp(_) => Protocol::Smtp,
        }
    }

    /// Hands the socket to the runtime.
    pub(crate) fn serve(self) -> io::Result<Acceptor> {
        match self {
            Socket::Lmtp(listener) | Socket::Smtp(listener) => {
                Ok(Acceptor::Tcp(tokio::net::TcpListener::from_std(listener)?))
            }
            Socket::LmtpUnix(listener, file) => Ok(Acceptor::Unix(tokio::net::UnixListener::from_std(listener)?, file)),
        }
    }
}

/// A socket from which connections are taken.
pub(crate) enum Acceptor {
    /// TCP.
    Tcp(tokio::net::TcpListener),
    /// A Unix socket.
    Unix(tokio::net::UnixListener, SocketFile),
}

impl Acceptor {
    /// The next connection, and the address of its client.
    pub(crate) async fn accept(&self) -> io::Result<(Box<dyn Stream>, String)> {
        match self {
            Acceptor::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                // Replies are gathered already; waiting for more of them would only cost time.
                stream.set_nodelay(true)?;
                Ok((Box::new(stream), address.ip().to_canonical().to_string()))
            }
            Acceptor::Unix(listener, file) => {
                let (stream, _) = listener.accept().await?;
                Ok((Box::new(stream), file.path.display().to_string()))
            }
        }
    }
}

fn tcp(address: &SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn unix(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    may_be_replaced(path)?;
    // The mode of a socket can be set only when it exists. So it is made where nobody else can reach it, and moved.
    let staging = path.with_file_name(format!(".{}", std::process::id()));
    let made = stage(&staging, path);
    // After a success it is empty; after a failure there may be a socket in it.
    let _ = std::fs::remove_file(staging.join("s"));
    let _ = std::fs::remove_dir(&staging);
    let listener = made?;
    let inode = std::fs::symlink_metadata(path)?.ino();
    Ok((listener, SocketFile { path: path.to_owned(), inode }))
}

fn stage(staging: &Path, path: &Path) -> io::Result<UnixListener> {
    // Left behind by a dead process that had our number.
    let _ = std::fs::remove_file(staging.join("s"));
    let _ = std::fs::remove_dir(staging);
    std::fs::DirBuilder::new().mode(0o700).create(staging)?;
    let socket = staging.join("s");
    let listener = UnixListener::bind(&socket)?;
    listener.set_nonblocking(true)?;
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(UNIX_MODE))?;
    std::fs::rename(&socket, path)?;
    Ok(listener)
}

/// A socket on which nobody listens any more is in the way; anything else is somebody's.
fn may_be_replaced(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(file) if !file.file_type().is_socket() => {
            return Err(io::Error::other("a file that is no socket stands there; move it away"));
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Err(io::Error::other("another process listens there; stop it first")),
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // A successor may have replaced it already.
        if std::fs::symlink_metadata(&self.path).is_ok_and(|file| file.ino() == self.inode) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unix_socket_is_private_and_goes_with_its_server() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lmtp");
        let listen = Listen::LmtpUnix(path.clone());
        let socket = Socket::open(&listen).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, UNIX_MODE);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "nothing else is left there");
        let second = Socket::open(&listen).err().expect("it is in use");
        assert!(second.to_string().contains("another process"), "{second}");
        drop(socket);
        assert!(!path.exists());
    }

    #[test]
    fn a_dead_socket_is_replaced_and_a_file_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lmtp");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "its process died");
        drop(Socket::open(&Listen::LmtpUnix(path.clone())).unwrap());
        std::fs::write(&path, "precious").unwrap();
        assert!(Socket::open(&Listen::LmtpUnix(path.clone())).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    }
}
