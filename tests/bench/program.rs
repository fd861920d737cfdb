//! The real program: a site in a new directory, its commands, and the serving process with what the kernel knows about it.

use std::fs::{self, File};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use listmill_store::control::RemoteStore;
use serde_json::Value;
use tempfile::TempDir;

use crate::Failure;
use crate::client::LIST;
use crate::options::Options;
use crate::process::{cpu, cpu_exact, peak_kib, status_kib};
use crate::tally::member;

/// How long a process may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was put off for a moment is done with after so long.
const SETTLED: Duration = Duration::from_secs(10);

/// A site.
pub(crate) struct Site {
    dir: TempDir,
    program: PathBuf,
}

impl Site {
    /// A new site whose smarthost is `relay`, to which it may have so many connections.
    pub(crate) fn new(options: &Options, relay: SocketAddr, connections: usize) -> Result<Self, Failure> {
        Site::with(options, relay, connections, "")
    }

    /// The same, with these sections more in its site file.
    pub(crate) fn with(options: &Options, relay: SocketAddr, connections: usize, more: &str) -> Result<Self, Failure> {
        let dir = tempfile::Builder::new().prefix("listmill-bench-").tempdir_in(&options.dir)?;
        let text = format!(
            "[site]\ndomains = [\"lists.example.org\"]\nadmins = [\"postmaster@example.org\"]\ndata = \"data\"\n\n\
             [inbound]\nlisten = [\"lmtp://127.0.0.1:0\"]\n\n\
             [outbound]\nrelay = \"smtp://{relay}\"\nconnections = {connections}\n{more}"
        );
        fs::write(dir.path().join("listmill.toml"), text)?;
        Ok(Site { dir, program: options.program.clone() })
    }

    /// Where it lies.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("-c").arg(self.dir.path().join("listmill.toml")).args(arguments);
        command
    }

    /// What a command prints; fails with what it says when it fails.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Result<String, Failure> {
        let output = self.command(arguments).output()?;
        if !output.status.success() {
            return Err(format!(
                "listmill {}: {}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr).trim()
            )
            .into());
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// The list that takes posts from everybody.
    pub(crate) fn create_list(&self) -> Result<(), Failure> {
        self.ask(&["list", "create", LIST, "--owner", "owner@example.org", "--set", "nonmember_action=accept"])?;
        Ok(())
    }

    /// How many members the list has.
    pub(crate) fn members(&self) -> Result<usize, Failure> {
        let shown: Value = serde_json::from_str(&self.ask(&["list", "show", LIST, "--json"])?)?;
        let members = shown["members"].as_u64().and_then(|members| usize::try_from(members).ok());
        members.ok_or_else(|| "list show --json does not say how many members there are".into())
    }

    /// Imports members 0 to `members`; says how long it took, and the peak memory of the command in KiB.
    pub(crate) fn import(&self, members: usize) -> Result<(Duration, u64), Failure> {
        let path = self.dir.path().join("members.txt");
        let mut file = std::io::BufWriter::new(File::create(&path)?);
        for number in 0..members {
            writeln!(file, "{}", member(number))?;
        }
        file.into_inner()?.sync_all()?;
        let begun = Instant::now();
        let mut command = self.command(&["member", "import", LIST, &path.to_string_lossy()]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let (id, mut peak) = (child.id(), 0);
        let (done, ended) = mpsc::channel();
        std::thread::spawn(move || done.send(child.wait_with_output()));
        // The kernel forgets the peak with the process, so it is asked for as long as that lives.
        let output = loop {
            match ended.recv_timeout(Duration::from_millis(5)) {
                Err(mpsc::RecvTimeoutError::Timeout) => peak = peak_kib(id).unwrap_or(peak),
                Err(mpsc::RecvTimeoutError::Disconnected) => return Err("the import could not be waited for".into()),
                Ok(output) => break output?,
            }
        };
        if !output.status.success() {
            return Err(format!("member import: {}", String::from_utf8_lossy(&output.stderr).trim()).into());
        }
        Ok((begun.elapsed(), peak))
    }

    /// Starts `listmill run`; returns when it serves.
    pub(crate) fn serve(&self) -> Result<Serving<'_>, Failure> {
        self.serve_only(&[])
    }

    /// Starts a process that serves these runners; returns when it is ready.
    pub(crate) fn serve_only(&self, runners: &[&str]) -> Result<Serving<'_>, Failure> {
        let (log, told) = tempfile::NamedTempFile::new_in(self.dir.path())?.into_parts();
        let (begun, told) = (Instant::now(), told.keep()?);
        let child = self.command(&[&["run"], runners].concat()).stdout(Stdio::null()).stderr(log).spawn()?;
        let mut serving =
            Serving { site: self, child, told, lmtp: SocketAddr::from(([127, 0, 0, 1], 0)), ready: begun };
        loop {
            let said = fs::read_to_string(&serving.told)?;
            if let Some((_, ready)) = said.split_once("ready: serving ") {
                serving.ready = Instant::now();
                if let Some((_, listen)) = ready.split_once("lmtp://") {
                    serving.lmtp = listen.split_whitespace().next().unwrap_or_default().parse()?;
                }
                return Ok(serving);
            }
            if serving.child.try_wait()?.is_some() || begun.elapsed() > PATIENCE {
                return Err(format!("`listmill run {}` does not serve: {said}", runners.join(" ")).into());
            }
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }
}

/// `listmill run`, serving. It is killed when dropped; [`stop`](Serving::stop) is the polite way.
pub(crate) struct Serving<'a> {
    site: &'a Site,
    child: Child,
    /// Its log.
    told: PathBuf,
    /// Where it takes mail.
    pub(crate) lmtp: SocketAddr,
    /// When it was ready.
    pub(crate) ready: Instant,
}

impl Serving<'_> {
    /// The end of what it has told.
    fn log(&self) -> String {
        let log = fs::read_to_string(&self.told).unwrap_or_default();
        log.lines().rev().take(5).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// CPU time that it has used.
    pub(crate) fn cpu(&self) -> Result<Duration, Failure> {
        cpu(self.child.id(), 2)
    }

    /// The same of all its threads that live, to the nanosecond.
    pub(crate) fn cpu_exact(&self) -> Result<Duration, Failure> {
        cpu_exact(self.child.id())
    }

    /// The most memory that it ever had, in KiB.
    pub(crate) fn peak_kib(&self) -> Result<u64, Failure> {
        peak_kib(self.child.id()).ok_or_else(|| "the serving process is gone".into())
    }

    /// The memory that it has, in KiB.
    pub(crate) fn resident_kib(&self) -> Result<u64, Failure> {
        status_kib(self.child.id(), "VmRSS:").ok_or_else(|| "the serving process is gone".into())
    }

    /// The store, as the process gives it to others.
    pub(crate) fn store(&self) -> Result<RemoteStore, Failure> {
        Ok(RemoteStore::connect(&self.site.dir.path().join("data/control.sock"))?)
    }

    /// How many entries wait in all queues or are in hand.
    pub(crate) fn depths(&self) -> Result<u64, Failure> {
        let queues: Value = serde_json::from_str(&self.site.ask(&["queue", "ls", "--json"])?)?;
        Ok(queues.as_array().into_iter().flatten().filter_map(|one| one["depth"].as_u64()).sum())
    }

    /// Returns when no entry is in any queue; fails when nothing moves for `patience`.
    pub(crate) fn wait_until_empty(&self, patience: Duration) -> Result<(), Failure> {
        let (mut last, mut moved) = (self.depths()?, Instant::now());
        while last > 0 {
            std::thread::park_timeout(Duration::from_millis(20));
            let now = self.depths()?;
            if now != last {
                (last, moved) = (now, Instant::now());
            } else if moved.elapsed() > patience {
                return Err(format!("nothing moves any more:\n{}", self.queues()).into());
            }
        }
        Ok(())
    }

    /// Returns when outbound has sent so many copies of whatever it was given; fails when none leaves for `patience`.
    pub(crate) fn wait_until_sent(&self, copies: usize, look: Duration, patience: Duration) -> Result<(), Failure> {
        let store = self.store()?;
        let (mut last, mut moved) = (0, Instant::now());
        loop {
            let status = store.status()?;
            let replies = status["tally"]["replies"].as_object().into_iter().flatten();
            let sent: u64 =
                replies.filter(|(reply, _)| reply.starts_with('2')).filter_map(|(_, count)| count.as_u64()).sum();
            if sent >= copies as u64 {
                return Ok(());
            }
            if sent > last {
                (last, moved) = (sent, Instant::now());
            } else if moved.elapsed() > patience {
                return Err(format!("{sent} copies of {copies} have left:\n{}", self.queues()).into());
            }
            std::thread::park_timeout(look);
        }
    }

    /// How many entries wait in this queue or are in hand.
    pub(crate) fn depth(&self, queue: &str) -> Result<u64, Failure> {
        let queues: Value = serde_json::from_str(&self.site.ask(&["queue", "ls", "--json"])?)?;
        let found = queues.as_array().into_iter().flatten().find(|one| one["queue"] == queue);
        found
            .and_then(|one| one["depth"].as_u64())
            .ok_or_else(|| format!("queue ls does not say the depth of {queue}").into())
    }

    /// What the queues look like, for a failure.
    pub(crate) fn queues(&self) -> String {
        format!("{}\n{}", self.site.ask(&["queue", "ls"]).unwrap_or_default(), self.log())
    }

    /// Fails when anything was set aside, or stays put off: the page behind the last of a list may wait its turn for a moment.
    pub(crate) fn check_queues(&self) -> Result<(), Failure> {
        let begun = Instant::now();
        loop {
            let queues: Value = serde_json::from_str(&self.site.ask(&["queue", "ls", "--json"])?)?;
            let has = |state: &str| -> Result<bool, Failure> {
                let queues = queues.as_array().ok_or("queue ls --json gives an array")?;
                Ok(queues.iter().any(|queue| queue[state].as_u64() != Some(0)))
            };
            let aside = has("shunted")? || has("corrupt")?;
            if !aside && !has("deferred")? {
                return Ok(());
            }
            if aside || begun.elapsed() > SETTLED {
                return Err(format!("something was set aside or put off:\n{}", self.queues()).into());
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn stop(mut self) -> Result<(), Failure> {
        let id = i32::try_from(self.child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw)
            .ok_or("a process has an id")?;
        rustix::process::kill_process(id, rustix::process::Signal::TERM)?;
        let status = self.child.wait()?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("`listmill run` ended with {status}: {}", self.log()).into())
        }
    }
}

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        // It may have ended already, which is as good.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
