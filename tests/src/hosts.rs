//! One site on three hosts: three directories with the same site file, and a process on each that is told which host it is.
//!
//! The names are those of the founding test: `mx1` takes mail in, `db1` alone has the store, `out1` delivers.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a harness for tests: files, and a failure is the end of the test"
)]

use std::collections::BTreeMap;
use std::path::Path;

use crate::lmtp::Lmtp;
use crate::program::{Running, Site, wait_for};
use crate::sink::{Script, Sink};

/// What the site file places where.
pub const PLACEMENT: &str =
    "[hosts]\nmx1 = [\"inbound\"]\ndb1 = [\"auth\", \"moderation\", \"pending\", \"command\"]\nout1 = [\"outbound\"]\n";

/// Three hosts, and the world that they deliver to.
pub struct Hosts {
    /// What has left.
    pub sink: Sink,
    /// HostA: the mail exchanger.
    pub mx: Site,
    /// HostB: the one with the store.
    pub db: Site,
    /// HostC: the one that delivers.
    pub out: Site,
    /// `[queue]` and `[store]`, for a site file that is written later.
    backends: String,
}

impl Hosts {
    /// A site whose file says `backends` in `[queue]` and `[store]`, on three hosts of this machine.
    pub fn new(backends: &str) -> Hosts {
        Hosts::through(backends, |_| Vec::new())
    }

    /// The same where the program on each host is started through a command, as `ip netns exec mx1`.
    pub fn through(backends: &str, command: impl Fn(&str) -> Vec<String>) -> Hosts {
        let sink = Sink::start(Script::default());
        let text = site_file(&sink.url("smtp"), backends, PLACEMENT);
        let host = |name: &str| Site::on_host(name, &text, &command(name));
        Hosts { mx: host("mx1"), db: host("db1"), out: host("out1"), sink, backends: backends.to_owned() }
    }

    /// Every host.
    pub fn all(&self) -> [&Site; 3] {
        [&self.mx, &self.db, &self.out]
    }

    /// The file with a password that each host has for itself, of every `(host, service, password)`.
    pub fn passwords(&self, passwords: &[(&str, &str, &str)]) {
        let sites = BTreeMap::from([("mx1", &self.mx), ("db1", &self.db), ("out1", &self.out)]);
        for (host, service, password) in passwords {
            let dir = sites[host].dir().join("secrets");
            std::fs::create_dir_all(&dir).unwrap();
            std::fs::write(dir.join(format!("{service}-{host}")), format!("{password}\n")).unwrap();
        }
    }

    /// Another placement, for the processes that start from now on.
    pub fn place(&self, placement: &str) {
        let text = site_file(&self.sink.url("smtp"), &self.backends, placement);
        self.all().iter().for_each(|site| site.write(&text));
    }

    /// Other backends, for the processes that start from now on.
    pub fn configure(&mut self, backends: &str) {
        backends.clone_into(&mut self.backends);
        self.place(PLACEMENT);
    }

    /// Starts serving on all three.
    pub fn run(&self) -> Serving {
        Serving { mx: Some(self.mx.run()), db: Some(self.db.run()), out: Some(self.out.run()) }
    }

    /// How many copies of each post have left for each recipient, by the post's Message-ID.
    pub fn copies(&self) -> BTreeMap<(String, String), usize> {
        let mut copies = BTreeMap::new();
        for received in self.sink.received() {
            let text = String::from_utf8_lossy(&received.data).into_owned();
            let id = text.lines().find_map(|line| line.strip_prefix("Message-ID: ")).unwrap_or_default().to_owned();
            for recipient in received.recipients {
                *copies.entry((id.clone(), recipient)).or_default() += 1;
            }
        }
        copies
    }
}

/// A process on each host; none where it was taken away.
pub struct Serving {
    /// On the mail exchanger.
    pub mx: Option<Running>,
    /// Where the store is.
    pub db: Option<Running>,
    /// Where it is delivered.
    pub out: Option<Running>,
}

impl Serving {
    /// A session with the mail exchanger, as a client has it.
    pub fn lmtp(&self) -> Lmtp {
        Lmtp::connect(self.mx.as_ref().unwrap().lmtp.unwrap())
    }

    /// What the mail exchanger answers to RCPT; asks until that begins with `code`, for the directory comes when it comes.
    pub fn wait_for_rcpt(&self, recipient: &str, code: &str) {
        wait_for(&format!("RCPT {recipient} to be answered {code}"), || self.lmtp().rcpt(recipient).starts_with(code));
    }

    /// Stops those that still serve.
    pub fn stop(self) {
        [self.mx, self.db, self.out].into_iter().flatten().for_each(|running| {
            running.stop();
        });
    }
}

/// Every file below a host's directory that has `word` in it, or in its name.
pub fn files_with(dir: &Path, word: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap().flatten() {
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            if kind.is_dir() {
                dirs.push(path);
                continue;
            }
            // A file may go while it is looked at: then it holds nothing.
            let bytes = if kind.is_file() { std::fs::read(&path).unwrap_or_default() } else { Vec::new() };
            let has = bytes.windows(word.len()).any(|window| window == word.as_bytes());
            if has || entry.file_name().to_string_lossy().contains(word) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

fn site_file(relay: &str, backends: &str, placement: &str) -> String {
    format!(
        "[site]\ndomains = [\"lists.example.org\"]\nadmins = [\"postmaster@example.org\"]\nhost = \"{{host}}.example.org\"\n\
         {backends}\n[inbound]\nlisten = [\"lmtp://127.0.0.1:0\"]\n[outbound]\nrelay = \"{relay}\"\n{placement}"
    )
}
