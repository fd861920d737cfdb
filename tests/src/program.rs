//! The real program on a site of its own: built once, run in a temporary directory, stopped or killed.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a harness for tests: files, processes, the clock, and a failure is the end of the test"
)]

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long a test waits for what must happen. Nothing depends on it but how late a failure is seen.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The executable, built from the sources as they are now, with the profile of this test; or the one that `LISTMILL_TESTS_PROGRAM` names.
pub fn listmill() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        if let Some(program) = std::env::var_os("LISTMILL_TESTS_PROGRAM") {
            return program.into();
        }
        let here = std::env::current_exe().unwrap();
        // target/<profile>/deps/<suite>-<hash>
        let profile = here.parent().and_then(Path::parent).expect("a test lies in target/<profile>/deps");
        let mut build = Command::new(env!("CARGO"));
        build.current_dir(workspace()).args(["build", "--quiet", "--package", "listmill", "--target-dir"]);
        build.arg(profile.parent().expect("a profile lies in the target directory"));
        if profile.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().unwrap().success(), "the executable does not build");
        profile.join("listmill")
    })
}

/// The root of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate of the tests lies in the workspace")
}

/// A site in a temporary directory; it goes when this is dropped.
pub struct Site {
    dir: PathBuf,
    /// It goes with this; none: it belongs to somebody else.
    _temporary: Option<TempDir>,
    /// The name that the program is told for this host; none: it is not told one.
    host: Option<String>,
    /// What the program is started through, as `ip netns exec mx1`.
    through: Vec<String>,
}

impl Site {
    /// A site whose mail leaves through `relay` and that says `more` in its site file.
    pub fn new(relay: &str, more: &str) -> Site {
        Site::below(&std::env::temp_dir(), relay, more)
    }

    /// The same with its temporary directory in this one.
    pub fn below(parent: &Path, relay: &str, more: &str) -> Site {
        let site = Site::of(TempDir::new_in(parent).unwrap(), None, &[]);
        site.configure(relay, more);
        site
    }

    /// One host of a site, with a directory of its own and the site file that all hosts have; the program is started through the command
    /// `through`, if that is not empty.
    pub fn on_host(host: &str, site_file: &str, through: &[String]) -> Site {
        let site = Site::of(TempDir::new().unwrap(), Some(host.to_owned()), through);
        site.write(site_file);
        site
    }

    /// A site that is there already, and stays.
    pub fn at(dir: PathBuf) -> Site {
        Site { dir, _temporary: None, host: None, through: Vec::new() }
    }

    fn of(temporary: TempDir, host: Option<String>, through: &[String]) -> Site {
        Site { dir: temporary.path().to_owned(), _temporary: Some(temporary), host, through: through.to_vec() }
    }

    /// The program is started through this command from now on.
    pub fn start_through(&mut self, through: Vec<String>) {
        self.through = through;
    }

    /// Writes this site file, for the next process that reads it.
    pub fn write(&self, site_file: &str) {
        std::fs::write(self.dir.join("listmill.toml"), site_file).unwrap();
    }

    /// Writes another site file, for the next process that reads it.
    pub fn configure(&self, relay: &str, more: &str) {
        let text = format!(
            "[site]\ndomains = [\"lists.example.org\"]\nadmins = [\"postmaster@example.org\"]\nhost = \"mill.example.org\"\n\
             [inbound]\nlisten = [\"lmtp://127.0.0.1:0\"]\n[outbound]\nrelay = \"{relay}\"\n{more}"
        );
        self.write(&text);
    }

    /// Where it lies.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The spool.
    pub fn spool(&self) -> PathBuf {
        self.dir.join("data/spool")
    }

    /// The program with these arguments, on this site.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = match self.through.split_first() {
            None => Command::new(listmill()),
            Some((program, args)) => {
                let mut command = Command::new(program);
                command.args(args).arg(listmill());
                command
            }
        };
        command.env_remove("LISTMILL_HOST").env_remove("LISTMILL_CONFIG").env_remove("NOTIFY_SOCKET");
        if let Some(host) = &self.host {
            command.env("LISTMILL_HOST", host);
        }
        command.arg("-c").arg(self.dir.join("listmill.toml")).args(args);
        command
    }

    /// Runs the program with `input` on its standard input.
    pub fn with_input(&self, args: &[&str], input: &[u8]) -> Output {
        let mut command = self.command(args);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        // A program that refuses early closes its end; what it says about that is looked at, not this.
        let feeder = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().unwrap();
        feeder.join().unwrap();
        output
    }

    /// Runs the program, which must exit with 0; its standard output.
    pub fn ok(&self, args: &[&str]) -> String {
        self.ok_with_input(args, b"")
    }

    /// Runs the program with input, which must exit with 0; its standard output.
    pub fn ok_with_input(&self, args: &[&str], input: &[u8]) -> String {
        let output = self.with_input(args, input);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "listmill {args:?}: {} {told}", output.status);
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs the program, which must fail with this exit code; its standard error.
    pub fn fails(&self, code: i32, args: &[&str], input: &[u8]) -> String {
        let output = self.with_input(args, input);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "listmill {args:?}: {told}");
        assert!(!told.trim().is_empty(), "listmill {args:?} says nothing about its failure");
        told
    }

    /// What a command with `--json` prints.
    pub fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.ok(&[args, &["--json"]].concat())).unwrap()
    }

    /// One figure of one queue, as `queue ls --json` shows it.
    pub fn figure(&self, queue: &str, name: &str) -> u64 {
        let queues = self.json(&["queue", "ls"]);
        let found = queues.as_array().unwrap().iter().find(|object| object["queue"] == queue);
        found.unwrap_or_else(|| panic!("there is no queue {queue}"))[name].as_u64().unwrap()
    }

    /// Waits until nothing waits in these queues and no runner has anything of them in hand.
    pub fn settle(&self, queues: &[&str]) {
        wait_for("the queues to be empty", || {
            let all = self.json(&["queue", "ls"]);
            let waits =
                |name: &str| all.as_array().unwrap().iter().any(|one| one["queue"] == name && one["depth"] != 0);
            !queues.iter().any(|queue| waits(queue))
        });
    }

    /// A list with these settings and members.
    pub fn list(&self, list: &str, settings: &[&str], members: impl IntoIterator<Item = String>) {
        let set: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
        self.ok(&[&["list", "create", list, "--owner", "olivia@example.org"], set.as_slice()].concat());
        let roster: String = members.into_iter().map(|member| member + "\n").collect();
        if !roster.is_empty() {
            self.ok_with_input(&["member", "import", list, "-"], roster.as_bytes());
        }
    }

    /// Starts serving; returns when every socket listens.
    pub fn run(&self) -> Running {
        self.run_with(&[])
    }

    /// Starts serving with more arguments.
    pub fn run_with(&self, args: &[&str]) -> Running {
        self.run_in(args, &[])
    }

    /// Starts serving with more arguments; none when it has died before it was ready.
    pub fn run_unless_dead(&self, args: &[&str]) -> Option<Running> {
        Running::start_unless_dead(self.command(&[&["--log-format", "json", "run"], args].concat()))
    }

    /// Starts serving with more arguments, and with this in its environment.
    pub fn run_in(&self, args: &[&str], environment: &[(&str, &str)]) -> Running {
        let mut command = self.command(&[&["--log-format", "json", "run"], args].concat());
        command.envs(environment.iter().copied());
        Running::start(command)
    }
}

/// The program, serving. Killed when this is dropped.
pub struct Running {
    child: Child,
    log: Arc<Mutex<Vec<Value>>>,
    /// Where LMTP listens.
    pub lmtp: Option<SocketAddr>,
}

impl Running {
    fn start(command: Command) -> Running {
        let (mut running, is_ready) = Running::start_unready(command);
        running.listening(&is_ready).unwrap_or_else(|| panic!("the program does not get ready: {:?}", running.log()));
        running
    }

    fn start_unless_dead(command: Command) -> Option<Running> {
        let (mut running, is_ready) = Running::start_unready(command);
        running.listening(&is_ready)?;
        Some(running)
    }

    fn start_unready(mut command: Command) -> (Running, Receiver<String>) {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (ready, is_ready) = channel();
        let stderr = child.stderr.take().unwrap();
        let kept = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if let Some(text) = value["message"].as_str().filter(|text| text.starts_with("ready")) {
                    // A test that no longer waits has seen it before.
                    let _ = ready.send(text.to_owned());
                }
                kept.lock().unwrap().push(value);
            }
        });
        (Running { child, log, lmtp: None }, is_ready)
    }

    /// Waits until it says that it is ready; none when it has died before.
    fn listening(&mut self, is_ready: &Receiver<String>) -> Option<()> {
        let ready = is_ready.recv_timeout(PATIENCE).ok()?;
        let lmtp = ready.split("lmtp://").nth(1).and_then(|lmtp| lmtp.split([',', ' ']).next());
        self.lmtp = lmtp.map(|lmtp| lmtp.parse().unwrap());
        Some(())
    }

    /// Whether the process has ended, in whatever way.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Whether it is dead, though whoever traces it may not have noticed.
    pub fn is_dead(&mut self) -> bool {
        let ended = self.child.try_wait().unwrap().is_some();
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        // Behind the name, which stands in parentheses.
        ended || stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z'))
    }

    /// Waits until it has ended, in whatever way.
    pub fn reap(&mut self) {
        self.child.wait().unwrap();
    }

    /// The log so far, one object a line.
    pub fn log(&self) -> Vec<Value> {
        self.log.lock().unwrap().clone()
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its resident memory, without the pages of files, as its own code, that the system gives and takes as it likes; none when it has ended.
    pub fn rss_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
        line.trim().trim_end_matches("kB").trim().parse().ok()
    }

    /// SIGTERM; it must exit with 0. How long that took.
    pub fn stop(mut self) -> Duration {
        let start = Instant::now();
        self.signal(rustix::process::Signal::TERM);
        let status = self.child.wait().unwrap();
        assert!(status.success(), "after SIGTERM: {status}; {:?}", self.log().last());
        start.elapsed()
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGSTOP: it stands still, and its sockets take what comes.
    pub fn pause(&self) {
        self.signal(rustix::process::Signal::STOP);
    }

    /// Waits until each thread has stopped after [`pause`](Self::pause): one that was within a call first ends that.
    pub fn stands_still(&self) {
        wait_for("every thread to stop", || {
            let threads = std::fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
            let stats = threads.flatten().map(|thread| std::fs::read_to_string(thread.path().join("stat")));
            stats.flatten().all(|stat| stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('T')))
        });
    }

    /// SIGCONT.
    pub fn resume(&self) {
        self.signal(rustix::process::Signal::CONT);
    }

    /// Waits until the process has ended, however it does; its exit code, none when a signal has ended it.
    pub fn exit_code(mut self) -> Option<i32> {
        let mut status = None;
        wait_for("the process to end", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.and_then(|status| status.code())
    }

    /// The process has ended by itself, with 0; waits for that.
    pub fn ended(mut self) {
        let mut status = None;
        wait_for("the process to end by itself", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        let status = status.unwrap();
        assert!(status.success(), "{status}; {:?}", self.log().last());
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already, which is what a test usually wants.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Looks again and again until `there`; fails after [`PATIENCE`].
pub fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    let start = Instant::now();
    while !there() {
        assert!(start.elapsed() < PATIENCE, "waited {} s for {what} in vain", PATIENCE.as_secs());
        std::thread::yield_now();
        std::thread::park_timeout(Duration::from_millis(10));
    }
}
