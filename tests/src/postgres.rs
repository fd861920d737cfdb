//! A real PostgreSQL server for tests: from Debian's package, in a directory of its own, on a port of its own, and gone when the test is.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a harness for tests: files, processes, threads, and a port that is free"
)]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use listmill_store::PostgresConfig;
use tempfile::TempDir;

use crate::needs::needs;

/// Who works with the server.
const USER: &str = "mill";
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// So long a server may take to start, or to recover.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server, which stops when this is dropped, or when this process dies.
#[derive(Debug)]
pub struct PostgresServer {
    bin: PathBuf,
    dir: TempDir,
    address: IpAddr,
    port: u16,
    /// A shell that ends the server when its input ends.
    keeper: Mutex<Option<Child>>,
    log: Arc<Mutex<String>>,
    databases: AtomicU32,
    /// It lives as long as this process.
    outlives: bool,
}

impl PostgresServer {
    /// A new server, which answers; none: the test ends, after a line that says why.
    pub fn start() -> Option<PostgresServer> {
        Some(PostgresServer::make(&needs("postgres")?, LOOPBACK, false))
    }

    /// The same at another address of this host, for clients of other hosts.
    pub fn start_at(address: IpAddr) -> Option<PostgresServer> {
        Some(PostgresServer::make(&needs("postgres")?, address, false))
    }

    fn make(postgres: &Path, address: IpAddr, outlives: bool) -> PostgresServer {
        let bin = postgres.parent().expect("it lies in a directory").to_owned();
        let dir = TempDir::new().expect("a directory");
        own(dir.path());
        let data = dir.path().join("data");
        let made = as_owner(&bin.join("initdb"))
            .args(["--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync", "--username", USER])
            .arg(format!("--pwfile={}", password_file(dir.path()).display()))
            .arg(&data)
            .stdout(Stdio::null())
            .status();
        assert!(made.expect("initdb").success(), "initdb failed");
        if address != LOOPBACK {
            let mut access =
                fs::OpenOptions::new().append(true).open(data.join("pg_hba.conf")).expect("initdb made it");
            writeln!(access, "host all all 0.0.0.0/0 scram-sha-256").expect("written");
        }
        let port = free_port(address);
        let (keeper, log, databases) = (Mutex::default(), Arc::default(), AtomicU32::new(0));
        let server = PostgresServer { bin, dir, address, port, keeper, log, databases, outlives };
        server.start_again();
        server
    }

    /// Starts it, after it was killed: on the same port, with what it has on disk.
    pub fn start_again(&self) {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(keeper.is_none(), "it runs");
        // The directory goes as well where nobody is left to remove it.
        let script = "dir=$1; shift; \"$@\" & server=$!; read -r _; kill -QUIT $server; wait $server; [ -z \"$dir\" ] || rm -rf \"$dir\"";
        let child = as_owner(Path::new("/bin/sh"))
            .args(["-c", script, "keeper"])
            .arg(if self.outlives { self.dir.path() } else { Path::new("") })
            .arg(self.bin.join("postgres"))
            .arg("-D")
            .arg(self.dir.path().join("data"))
            .args(["-p", &self.port.to_string(), "-h", &self.address.to_string(), "-k"])
            .arg(self.dir.path())
            .args(["-c", "max_connections=200", "-c", "shared_buffers=64MB", "-c", "deadlock_timeout=50ms"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.expect("a shell");
        let said = child.stderr.take().expect("it is piped");
        *keeper = Some(child);
        drop(keeper);
        self.wait_until_ready(said);
    }

    fn wait_until_ready(&self, said: ChildStderr) {
        let (ready, is_ready) = mpsc::channel();
        let log = self.log.clone();
        thread::spawn(move || {
            for line in BufReader::new(said).lines().map_while(Result::ok) {
                if line.contains("ready to accept connections") {
                    let _ = ready.send(());
                }
                log.lock().unwrap_or_else(PoisonError::into_inner).push_str(&format!("{line}\n"));
            }
        });
        assert!(is_ready.recv_timeout(PATIENCE).is_ok(), "PostgreSQL does not start: {}", self.log());
    }

    /// `kill -9` of the server and all that it has started, as a crash of its machine would be but for what the kernel has not written.
    pub fn kill(&self) {
        let pid = fs::read_to_string(self.dir.path().join("data/postmaster.pid")).expect("it runs");
        let pid = pid.lines().next().expect("its number").to_owned();
        // Stopped first, so that it does not start others meanwhile.
        signal("STOP", &pid);
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        children.split_whitespace().for_each(|child| signal("KILL", child));
        signal("KILL", &pid);
        self.stop();
        // While one of them is still on its way out no server starts on the same data.
        while children.split_whitespace().any(is_there) {
            thread::yield_now();
        }
    }

    /// Its process, below which the others of it are.
    ///
    /// # Panics
    /// It is down.
    pub fn pid(&self) -> u32 {
        let pid = fs::read_to_string(self.dir.path().join("data/postmaster.pid")).expect("it runs");
        pid.lines().next().and_then(|pid| pid.trim().parse().ok()).expect("its number")
    }

    /// Stops it at once, in order of its own kind.
    pub fn stop(&self) {
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut keeper) = keeper {
            drop(keeper.stdin.take());
            let _ = keeper.wait();
        }
    }

    /// A new, empty database.
    pub fn database(&self) -> PostgresConfig {
        let name = format!("mill{}", self.databases.fetch_add(1, Ordering::Relaxed));
        assert!(self.psql("postgres", &format!("CREATE DATABASE {name} TEMPLATE template0")), "{}", self.log());
        self.config(&name)
    }

    /// How to reach a database of this server.
    pub fn config(&self, name: &str) -> PostgresConfig {
        let url = format!("postgres://{USER}@{}:{}/{name}", self.address, self.port);
        PostgresConfig { url, password: Some(PASSWORD.to_owned()), ..PostgresConfig::default() }
    }

    /// The port that it listens on, or would.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The server's directory: `data` below it, and what else a test puts there.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Has the server carry out a statement, from outside.
    pub fn psql(&self, database: &str, sql: &str) -> bool {
        let done = Command::new(self.bin.join("psql"))
            .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", USER, "-d", database, "-c", sql])
            .args(["-h", &self.address.to_string(), "-p", &self.port.to_string()])
            .env("PGPASSWORD", PASSWORD)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        done.is_ok_and(|status| status.success())
    }

    /// What the server has said.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// One server for all tests of this process; none: the test ends, after a line that says why.
pub fn shared() -> Option<&'static PostgresServer> {
    static SHARED: OnceLock<PostgresServer> = OnceLock::new();
    let postgres = needs("postgres")?;
    Some(SHARED.get_or_init(|| PostgresServer::make(&postgres, LOOPBACK, true)))
}

/// The password of the server's user: odd on purpose.
pub const PASSWORD: &str = "hush?@/%:b e";

fn password_file(dir: &Path) -> PathBuf {
    let path = dir.join("password");
    let mut file = fs::File::create(&path).expect("a file");
    writeln!(file, "{PASSWORD}").expect("written");
    own(&path);
    path
}

/// PostgreSQL refuses to run as root: then it is its package's user, or nobody.
fn unprivileged() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").expect("the users");
    let ids = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    Some(ids("postgres").or_else(|| ids("nobody")).expect("root has a user to become"))
}

/// Gives a file or directory to the user that the server runs as.
pub fn own(path: &Path) {
    if let Some((user, group)) = unprivileged() {
        chown(path, Some(user), Some(group)).expect("root may give it away");
    }
}

fn as_owner(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/");
    if let Some((user, group)) = unprivileged() {
        command.uid(user).gid(group);
    }
    command
}

fn signal(name: &str, pid: &str) {
    let _ = Command::new("kill").args([&format!("-{name}"), pid]).stderr(Stdio::null()).status();
}

/// The process runs, or is about to end; whoever only waits to be counted does not.
fn is_there(pid: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains('Z'))
}

fn free_port(address: IpAddr) -> u16 {
    let listener = TcpListener::bind((address, 0)).expect("a port");
    listener.local_addr().expect("its address").port()
}
