//! The owner's side.

use std::collections::HashMap;
use std::fs::{self, Permissions};
use std::io::{self, BufReader, BufWriter, Write};
use std::net::Shutdown;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use listmill_queue_format::Queue;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answers::answer;
use super::protocol::{self, Answer, Question};
use crate::Store;

/// Who answers what is not asked of the store but of the process. A closure is one that knows the status and takes no orders.
pub trait Attendant: Send + Sync {
    /// What `status` tells about the process, made anew for each question.
    fn status(&self) -> Value;

    /// Lets the runner of this queue finish what it has in hand and stop; says how far that is. It is asked again until it is done.
    ///
    /// # Errors
    /// Why that cannot be, in a sentence.
    fn drain(&self, runner: Queue) -> Result<Draining, String> {
        Err(format!("this process does not drain {runner}"))
    }

    /// Writes a backup of the store.
    ///
    /// # Errors
    /// Why there is none, in a sentence.
    fn back_up(&self, _to: &mut dyn Write) -> Result<(), String> {
        Err("this process has no store of its own".to_owned())
    }
}

impl<F: Fn() -> Value + Send + Sync> Attendant for F {
    fn status(&self) -> Value {
        self()
    }
}

/// How far a runner is that is to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Draining {
    /// This process does not serve that queue, or no more.
    Absent,
    /// So many threads have still something in hand.
    Working(usize),
}

/// A Unix socket's path, less the zero octet behind it.
const MAX_PATH: usize = 107;
/// Whoever reads nothing of a backup for so long gets no more of it.
const SLOWEST: Duration = Duration::from_secs(10);
/// More connections at once are turned away: each has a thread.
const MAX_CONNECTIONS: usize = 64;

/// The control socket, served until this is dropped.
pub struct Server {
    socket: PathBuf,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

/// The control socket cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// A Unix socket's path may have 107 octets.
    #[error("the control socket's path {} has {} octets, and a Unix socket's may have 107: use a shorter `data` directory",
        .0.display(), .0.as_os_str().len())]
    TooLong(PathBuf),
    /// Somebody else listens there.
    #[error("another process answers at {}", .0.display())]
    InUse(PathBuf),
    /// What stands there is not a socket.
    #[error("{} is not a socket: remove it", .0.display())]
    NotASocket(PathBuf),
    /// The system refuses.
    #[error("the control socket {} cannot be served: {source}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

struct Shared {
    listener: UnixListener,
    store: Arc<dyn Store>,
    attendant: Arc<dyn Attendant>,
    stopped: AtomicBool,
    connections: Mutex<HashMap<u64, Connection>>,
}

struct Connection {
    stream: UnixStream,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens at `socket` for processes of this user, and answers from `store` and `attendant` on threads of its own.
    ///
    /// A socket that a dead process has left is replaced.
    ///
    /// # Errors
    /// The socket cannot be made, or somebody answers there.
    pub fn bind(socket: &Path, store: Arc<dyn Store>, attendant: Arc<dyn Attendant>) -> Result<Server, ControlError> {
        let io_error = |source| ControlError::Io { path: socket.to_owned(), source };
        check_place(socket)?;
        let listener = listen(socket).map_err(io_error)?;
        let (stopped, connections) = Default::default();
        let shared = Arc::new(Shared { listener, store, attendant, stopped, connections });
        let acceptor = thread::Builder::new().name("control".to_owned()).spawn({
            let shared = shared.clone();
            move || shared.accept()
        });
        Ok(Server { socket: socket.to_owned(), shared, acceptor: Some(acceptor.map_err(io_error)?) })
    }
}

impl Drop for Server {
    /// Ends every connection, and returns when nobody uses the store over the socket any more.
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Best effort each: there is nobody to tell.
        let _ = fs::remove_file(&self.socket);
        let _ = rustix::net::shutdown(&self.shared.listener, rustix::net::Shutdown::Both);
        let _ = self.acceptor.take().map(JoinHandle::join);
        let connections: Vec<Connection> =
            self.shared.connections().drain().map(|(_, connection)| connection).collect();
        for connection in connections {
            let _ = connection.stream.shutdown(Shutdown::Both);
            let _ = connection.thread.map(JoinHandle::join);
        }
    }
}

/// Nobody answers at `socket`, and a socket can be there.
fn check_place(socket: &Path) -> Result<(), ControlError> {
    if socket.as_os_str().len() > MAX_PATH {
        return Err(ControlError::TooLong(socket.to_owned()));
    }
    match fs::symlink_metadata(socket) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(ControlError::Io { path: socket.to_owned(), source }),
        Ok(found) if !found.file_type().is_socket() => Err(ControlError::NotASocket(socket.to_owned())),
        Ok(_) if UnixStream::connect(socket).is_ok() => Err(ControlError::InUse(socket.to_owned())),
        Ok(_) => Ok(()),
    }
}

/// Makes the socket under another name and moves it into place: it is never there with a wider mode, or without anybody listening.
fn listen(socket: &Path) -> io::Result<UnixListener> {
    let unfinished = socket.with_file_name(".new");
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&unfinished)?;
    fs::set_permissions(&unfinished, Permissions::from_mode(0o600))?;
    fs::rename(&unfinished, socket)?;
    Ok(listener)
}

impl Shared {
    fn accept(self: Arc<Self>) {
        for number in 0_u64.. {
            match self.listener.accept() {
                _ if self.stopped.load(Ordering::SeqCst) => return,
                Ok((stream, _)) => self.admit(number, stream),
                Err(error) => {
                    tracing::warn!(%error, "the control socket accepts nobody");
                    // Too many open files, as a rule: it passes.
                    thread::sleep(Duration::from_millis(200));
                }
            }
        }
    }

    /// Gives a connection its thread.
    fn admit(self: &Arc<Self>, number: u64, mut stream: UnixStream) {
        let refuse = |stream: &mut UnixStream, why: &str| {
            tracing::warn!(why, "a connection to the control socket is refused");
            // Whoever is refused may be gone already.
            let _ = protocol::write_line(stream, &Answer::<()>::Unavailable(why.to_owned()));
        };
        if !is_ours(&stream) {
            return refuse(&mut stream, "only the owner's user and root may use the control socket");
        }
        // Held until the connection is in the table, so that its thread finds it there when it ends.
        let mut connections = self.connections();
        if connections.len() >= MAX_CONNECTIONS {
            return refuse(&mut stream, "too many connections at once");
        }
        let spawned = stream.try_clone().and_then(|own| {
            let shared = self.clone();
            thread::Builder::new().name("control connection".to_owned()).spawn(move || shared.serve(number, own))
        });
        match spawned {
            Ok(thread) => {
                connections.insert(number, Connection { stream, thread: Some(thread) });
            }
            Err(error) => refuse(&mut stream, &format!("there is no thread to serve it: {error}")),
        }
    }

    /// Answers one connection until it ends.
    fn serve(&self, number: u64, stream: UnixStream) {
        if let Err(error) = self.converse(&stream)
            && !self.stopped.load(Ordering::SeqCst)
        {
            tracing::debug!(%error, "a connection to the control socket broke");
        }
        self.connections().remove(&number);
    }

    fn converse(&self, mut stream: &UnixStream) -> io::Result<()> {
        let mut reader = BufReader::new(stream);
        while let Some(line) = protocol::read_line(&mut reader)? {
            let answer = match protocol::parse::<Question<'_>>(&line) {
                Ok(Question::Backup) => match self.back_up(stream) {
                    Ok(()) => continue,
                    Err(reason) => Answer::Unavailable(reason),
                },
                Ok(request) => answer(&*self.store, &*self.attendant, request),
                Err(error) => Answer::NotUnderstood(error),
            };
            protocol::write_line(&mut stream, &answer)?;
        }
        Ok(())
    }

    /// Whoever commits may wait meanwhile, so that nobody may be slow in reading it.
    fn back_up(&self, stream: &UnixStream) -> Result<(), String> {
        stream.set_write_timeout(Some(SLOWEST)).map_err(|error| error.to_string())?;
        self.attendant.back_up(&mut BufWriter::with_capacity(1 << 20, stream))
    }

    fn connections(&self) -> MutexGuard<'_, HashMap<u64, Connection>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The other end belongs to this user or to root. The socket's mode says the same; this holds on a file system without modes, too.
fn is_ours(stream: &UnixStream) -> bool {
    match rustix::net::sockopt::socket_peercred(stream) {
        Ok(peer) => peer.uid == rustix::process::geteuid() || peer.uid.is_root(),
        Err(_) => false,
    }
}
