//! A RabbitMQ of the tests' own, from Debian's package: free ports, a directory of its own, never the system's.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "starts programs, and waits until they answer"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use crate::needs::needs;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// For a broker to start; the machine may be busy.
const START: Duration = Duration::from_secs(120);

/// One broker at a time in each program of tests: several that start at once keep a small machine busy for minutes. (Not a guard of a lock, because
/// a broker may go from one thread to another.)
struct Turn;

static TAKEN: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

impl Turn {
    fn take() -> Turn {
        let taken = TAKEN.0.lock().unwrap_or_else(PoisonError::into_inner);
        *TAKEN.1.wait_while(taken, |taken| *taken).unwrap_or_else(PoisonError::into_inner) = true;
        Turn
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *TAKEN.0.lock().unwrap_or_else(PoisonError::into_inner) = false;
        TAKEN.1.notify_one();
    }
}

/// A broker. It ends when this is dropped.
pub struct Rabbit {
    _turn: Option<Turn>,
    dir: TempDir,
    address: IpAddr,
    /// More lines of its configuration.
    more: String,
    server: Option<Child>,
    /// Its port mapper. A broker that finds none starts one that outlives it.
    epmd: Child,
    /// Where it listens for AMQP.
    pub port: u16,
    epmd_port: u16,
    dist_port: u16,
    tls: Tls,
}

/// Where it listens for AMQP within TLS, and the certificate of the authority that has signed the broker's (PEM).
struct Tls {
    port: u16,
    ca_file: PathBuf,
}

/// Where Debian puts the programs that do without its wrappers (those want root).
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/rabbitmq/lib").ok()?;
    versions.flatten().map(|version| version.path().join("sbin")).find(|sbin| sbin.join("rabbitmq-server").exists())
}

fn free_port(address: IpAddr) -> u16 {
    TcpListener::bind((address, 0)).expect("a port").local_addr().expect("its address").port()
}

fn port_mapper(port: u16) -> Child {
    let mut epmd = Command::new("epmd");
    epmd.args(["-address", "127.0.0.1", "-port", &port.to_string()]).stdin(Stdio::null());
    epmd.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("epmd starts")
}

impl Rabbit {
    /// A broker that answers; it also listens within TLS, for `localhost`. None: the test ends, after a line that says what is missing.
    pub fn start() -> Option<Self> {
        let turn = needs("rabbitmq-server").map(|_| Turn::take())?;
        let mut rabbit = Rabbit::start_at(LOOPBACK, None)?;
        rabbit._turn = Some(turn);
        Some(rabbit)
    }

    /// The same at another address of this host, for clients of other hosts, with these definitions (JSON): `guest` is let in from nowhere else.
    pub fn start_at(address: IpAddr, definitions: Option<&str>) -> Option<Self> {
        needs("rabbitmq-server")?;
        let dir = tempfile::tempdir().expect("a directory");
        let tls = certificates(dir.path());
        let (port, epmd_port, dist_port) = (free_port(address), free_port(LOOPBACK), free_port(LOOPBACK));
        let mut more = String::new();
        if let Some(definitions) = definitions {
            let path = dir.path().join("definitions.json");
            std::fs::write(&path, definitions).expect("a file");
            more = format!("load_definitions = {}\n", path.display());
        }
        let epmd = port_mapper(epmd_port);
        let mut rabbit =
            Rabbit { _turn: None, dir, address, more, server: None, epmd, port, epmd_port, dist_port, tls };
        rabbit.configure();
        rabbit.run();
        Some(rabbit)
    }

    fn configure(&self) {
        let mut config =
            format!("listeners.tcp.default = {}:{}\nlog.console = false\n{}", self.address, self.port, self.more);
        let dir = self.dir.path().display();
        config += &format!(
            "listeners.ssl.default = 127.0.0.1:{}\nssl_options.certfile = {dir}/broker.pem\nssl_options.keyfile = {dir}/broker.key\n",
            self.tls.port
        );
        std::fs::write(self.dir.path().join("rabbitmq.conf"), config).expect("a file");
        std::fs::write(self.dir.path().join("plugins"), "[].\n").expect("a file");
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Its address with the user that every broker has at first.
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.port)
    }

    /// Its address within TLS, and what to believe.
    pub fn tls(&self) -> (String, PathBuf) {
        (format!("amqps://guest:guest@localhost:{}/%2f", self.tls.port), self.tls.ca_file.clone())
    }

    /// Its process, below which the others of it are; none while it is down.
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(Child::id)
    }

    fn command(&self, program: &str) -> Command {
        let dir = self.dir.path();
        let mut command = Command::new(programs().expect("it is installed").join(program));
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", dir) // the secret of its programs lies there
            .env("LANG", "C.UTF-8")
            .env("RABBITMQ_NODENAME", format!("listmill{}@localhost", self.port))
            .env("RABBITMQ_MNESIA_BASE", dir.join("data"))
            .env("RABBITMQ_LOG_BASE", dir.join("log"))
            .env("RABBITMQ_CONFIG_FILE", dir.join("rabbitmq"))
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", dir.join("plugins"))
            .env("RABBITMQ_DIST_PORT", self.dist_port.to_string())
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1} +S 2:2")
            .env("ERL_EPMD_PORT", self.epmd_port.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .stdin(Stdio::null());
        command
    }

    /// Starts it, again after [`kill`](Self::kill) or [`stop`](Self::stop), and waits until it answers.
    ///
    /// # Panics
    /// It does not come up.
    pub fn run(&mut self) {
        let quiet = std::fs::File::create(self.dir.path().join("output")).expect("a file");
        let mut command = self.command("rabbitmq-server");
        command.stdout(quiet.try_clone().expect("a descriptor")).stderr(quiet).process_group(0);
        self.server = Some(command.spawn().expect("it starts"));
        let until = Instant::now() + START;
        while !self.answers() {
            assert!(Instant::now() < until, "RabbitMQ does not come up:\n{}", self.log());
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }

    /// It answers the first words of AMQP.
    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect((self.address, self.port)) else { return false };
        let mut first = [0];
        stream.set_read_timeout(Some(Duration::from_secs(5))).is_ok()
            && stream.write_all(b"AMQP\0\0\x09\x01").is_ok()
            && stream.read_exact(&mut first).is_ok()
    }

    /// SIGKILL, as if the power failed.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            let group = Pid::from_child(&server);
            let _ = kill_process_group(group, Signal::KILL); // it may have ended
            let _ = server.wait();
        }
    }

    /// In order, as a service manager stops it.
    pub fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = kill_process_group(Pid::from_child(&server), Signal::TERM);
            let _ = server.wait();
        }
    }

    /// `rabbitmqctl`, which must succeed.
    ///
    /// # Panics
    /// It fails.
    pub fn ctl(&self, arguments: &[&str]) -> String {
        let Output { status, stdout, stderr } =
            self.command("rabbitmqctl").args(arguments).output().expect("rabbitmqctl starts");
        let said = String::from_utf8_lossy(&stdout).into_owned();
        assert!(status.success(), "rabbitmqctl {arguments:?}: {said}{}", String::from_utf8_lossy(&stderr));
        said
    }

    /// A shell script that is this broker's `rabbitmqctl`.
    pub fn ctl_script(&self) -> String {
        let command = self.command("rabbitmqctl");
        let value = |value: &std::ffi::OsStr| format!("'{}'", value.to_string_lossy());
        let settings = command.get_envs().filter_map(|(name, to)| Some(format!("{}={}", name.display(), value(to?))));
        let settings: Vec<String> = settings.collect();
        format!("#!/bin/sh\nexec env -i {} {} \"$@\"\n", settings.join(" "), value(command.get_program()))
    }

    /// Empties all of its queues.
    pub fn purge(&self) {
        let all =
            "[rabbit_amqqueue:purge(Q) || Q <- rabbit_amqqueue:list(), amqqueue:get_type(Q) =:= rabbit_quorum_queue].";
        self.ctl(&["eval", all]);
    }

    /// The last lines of what it wrote.
    pub fn log(&self) -> String {
        let mut lines = Vec::new();
        let logs =
            std::fs::read_dir(self.dir.path().join("log")).into_iter().flatten().flatten().map(|file| file.path());
        for path in logs.chain([self.dir.path().join("output")]) {
            let Ok(file) = std::fs::File::open(&path) else { continue };
            lines.extend(BufReader::new(file).lines().map_while(Result::ok));
        }
        lines.split_off(lines.len().saturating_sub(60)).join("\n")
    }
}

impl Drop for Rabbit {
    fn drop(&mut self) {
        self.kill();
        let _ = self.epmd.kill(); // it may have ended
        let _ = self.epmd.wait();
    }
}

/// An authority, and a certificate of it for `localhost`.
fn certificates(dir: &Path) -> Tls {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    let mut authority = CertificateParams::new(Vec::new()).expect("parameters");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key")).expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let broker = CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
    let broker = broker.signed_by(&key, &authority).expect("a certificate");
    let ca_file = dir.join("ca.pem");
    std::fs::write(&ca_file, authority.pem()).expect("a file");
    std::fs::write(dir.join("broker.pem"), broker.pem()).expect("a file");
    std::fs::write(dir.join("broker.key"), key.serialize_pem()).expect("a file");
    Tls { port: free_port(LOOPBACK), ca_file }
}
