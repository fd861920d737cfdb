//! The founding test's machines: HostA takes mail, HostB alone reaches the store, HostC delivers, and between them a broker.
//!
//! ```text
//! world ---- mx1 ---- mq ---- out1 ---- world
//!                      |
//!                     db1 ---- pg
//! ```
//!
//! Each of the six is a network namespace; each line is a cable ([`Network`]). The three hosts have a directory each, do not see each other's, nor
//! the servers', and have the same site file. `world` is where mail comes from and goes to: the test itself.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a harness for tests: files, and a failure is the end of the test"
)]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use data_encoding::BASE64;
use listmill_core::settings::Cascade;
use listmill_core::{AuditRecord, StoreView};
use listmill_store::{PostgresConfig, PostgresStore};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::network::Network;
use crate::postgres::{self, PostgresServer};
use crate::program::{self, Running, Site, wait_for};
use crate::rabbit::Rabbit;
use crate::sink::{Script, Sink};

/// The hosts that run the program.
pub const HOSTS: [&str; 3] = ["mx1", "db1", "out1"];
/// Which cables there are.
pub const CABLES: [(&str, &str); 6] =
    [("mx1", "mq"), ("db1", "mq"), ("out1", "mq"), ("db1", "pg"), ("out1", "world"), ("world", "mx1")];
/// What serves where, as the site file says it.
pub const PLACEMENT: &str = "mx1 = [\"inbound\"]\ndb1 = [\"auth\", \"moderation\", \"pending\", \"bounce\", \"command\"]\nout1 = [\"outbound\"]";
/// Connections to the smarthost: so many transactions can be open when something is taken away.
pub const CONNECTIONS: usize = 10;
const SMARTHOST: u16 = 25;
const INTAKE: u16 = 8024;

/// A host that runs the program.
pub struct Host {
    /// Its directory.
    pub site: Site,
    /// The process that serves there; none while it is down.
    pub running: Option<Running>,
}

/// All of it, serving.
pub struct Estate {
    /// HostA.
    pub mx: Host,
    /// HostB.
    pub db: Host,
    /// HostC.
    pub out: Host,
    /// The smarthost.
    pub sink: Sink,
    /// The database server.
    pub postgres: PostgresServer,
    /// The broker.
    pub rabbit: Rabbit,
    /// The machines; the last to go.
    pub network: Arc<Network>,
    database: PostgresConfig,
}

impl Estate {
    /// Everything is up and served. None: the test ends, after a line that says what is missing.
    pub fn open() -> Option<Estate> {
        let network = Network::new(&["mx1", "db1", "out1", "mq", "pg", "world"], &CABLES)?;
        let address = |host: &str| network.address(host);
        let sites = HOSTS.map(|host| Site::on_host(host, "", &[]));
        let accounts = definitions().to_string();
        let rabbit = network.within("mq", || Rabbit::start_at(address("mq"), Some(&accounts)))?;
        let postgres = network.within("pg", || PostgresServer::start_at(address("pg")))?;
        let database = network.within("pg", || postgres.database());
        let sink = network.within("world", || Sink::start_at((address("world"), SMARTHOST).into(), Script::default()));
        let [mx, db, out] = sites.map(|site| Host { site, running: None });
        let mut estate = Estate { mx, db, out, sink, postgres, rabbit, network: Arc::new(network), database };
        estate.furnish();
        estate.whole();
        Some(estate)
    }

    /// The same site file everywhere, each host's own passwords, and no view of what is not its own.
    fn furnish(&mut self) {
        self.configure("");
        let dirs =
            [self.mx.site.dir(), self.db.site.dir(), self.out.site.dir(), self.rabbit.dir(), self.postgres.dir()];
        let dirs = dirs.map(Path::to_owned);
        dirs.iter().for_each(|dir| self.network.takes_along(dir));
        for name in HOSTS {
            let own = self.host(name).site.dir().to_owned();
            let others: Vec<&Path> = dirs.iter().map(std::path::PathBuf::as_path).filter(|dir| *dir != own).collect();
            let through = self.network.through(name, &others);
            let host = self.host_mut(name);
            host.site.start_through(through);
            std::fs::create_dir(own.join("secrets")).unwrap();
            std::fs::write(own.join(format!("secrets/queue-{name}")), broker_password(name)).unwrap();
        }
        std::fs::write(self.db.site.dir().join("secrets/store"), postgres::PASSWORD).unwrap();
    }

    /// Writes the site file, with `more` at its end, for the processes that start from now on.
    pub fn configure(&self, more: &str) {
        self.write_site_file("", more);
    }

    /// The same with `more` in its section `[queue]`.
    pub fn configure_queue(&self, more: &str) {
        self.write_site_file(more, "");
    }

    fn write_site_file(&self, queue: &str, more: &str) {
        let broker = SocketAddr::from((self.network.address("mq"), self.rabbit.port));
        let text = format!(
            "[site]\ndomains = [\"lists.example.org\"]\nadmins = [\"postmaster@example.org\"]\nhost = \"{{host}}.example.org\"\n\
             [queue]\nbackend = \"amqp\"\nurl = \"amqp://listmill-{{host}}@{broker}/%2f\"\npassword_file = \"secrets/queue-{{host}}\"\n{queue}\n\
             [store]\nbackend = \"postgres\"\nurl = \"{}\"\npassword_file = \"secrets/store\"\n\
             [inbound]\nlisten = [\"lmtp://{}\"]\n[outbound]\nrelay = \"smtp://{}\"\nconnections = {CONNECTIONS}\n\
             [hosts]\n{PLACEMENT}\n{more}",
            self.database.url,
            SocketAddr::from((self.network.address("mx1"), INTAKE)),
            self.sink.address(),
        );
        HOSTS.iter().for_each(|host| self.host(host).site.write(&text));
    }

    /// A host by its name.
    ///
    /// # Panics
    /// There is no such host.
    pub fn host(&self, name: &str) -> &Host {
        match name {
            "mx1" => &self.mx,
            "db1" => &self.db,
            "out1" => &self.out,
            _ => unreachable!("{name} does not run the program"),
        }
    }

    /// The same, to be changed.
    ///
    /// # Panics
    /// There is no such host.
    pub fn host_mut(&mut self, name: &str) -> &mut Host {
        match name {
            "mx1" => &mut self.mx,
            "db1" => &mut self.db,
            "out1" => &mut self.out,
            _ => unreachable!("{name} does not run the program"),
        }
    }

    /// Starts what does not run of the program.
    pub fn whole(&mut self) {
        self.whole_but(&[]);
    }

    /// The same but for these hosts.
    pub fn whole_but(&mut self, down: &[&str]) {
        for name in HOSTS.into_iter().filter(|name| !down.contains(name)) {
            let host = self.host_mut(name);
            if host.running.is_none() {
                host.running = Some(host.site.run());
            }
        }
    }

    /// Where mail is handed in.
    pub fn intake(&self) -> SocketAddr {
        (self.network.address("mx1"), INTAKE).into()
    }

    /// A list, which mail comes in for from now on.
    pub fn list(&self, list: &str, settings: &[&str], members: impl IntoIterator<Item = String>) {
        self.db.site.list(list, settings, members);
        let known = || self.network.within("world", || crate::lmtp::Lmtp::connect(self.intake()).rcpt(list));
        wait_for("the directory to name the list", || known().starts_with("250"));
    }

    /// What a program on a host sees in a directory.
    pub fn ls(&self, host: &str, dir: &Path) -> String {
        let mut command = self.host(host).site.command(&[]);
        // Started as the program is, but for the program.
        let through: Vec<_> =
            command.get_args().take_while(|arg| *arg != program::listmill()).map(ToOwned::to_owned).collect();
        command = std::process::Command::new(command.get_program());
        let output = command.args(through).arg("ls").arg(dir).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// The whole audit log.
    pub fn audit(&self) -> Vec<AuditRecord> {
        self.network.within("db1", || {
            let store = PostgresStore::open(&self.database, Cascade::default()).unwrap();
            let (mut records, mut after) = (Vec::new(), None);
            loop {
                let page = store.audit(after, 1_000).unwrap();
                let Some((last, _)) = page.last() else { return records };
                after = Some(*last);
                records.extend(page.into_iter().map(|(_, record)| record));
            }
        })
    }

    /// Waits until nothing waits, is deferred or was set aside, as HostB sees the queues.
    ///
    /// # Panics
    /// Something was set aside.
    pub fn rest(&self) {
        let queues = || self.db.site.json(&["queue", "ls"]);
        let sum = |figure: &str| -> u64 {
            queues().as_array().unwrap().iter().map(|queue| queue[figure].as_u64().unwrap()).sum()
        };
        wait_for("the queues to be empty", || sum("depth") + sum("deferred") == 0);
        assert_eq!(sum("shunted") + sum("corrupt"), 0, "{}", queues());
    }
}

/// One estate for all tests of this process, which have it one after the other. None: the test ends, after a line that says what is missing.
///
/// A test that failed in it has left it in whatever state: the next one gets a new one.
pub fn shared() -> Option<MutexGuard<'static, Option<Estate>>> {
    static SHARED: Mutex<Option<Estate>> = Mutex::new(None);
    let failed = SHARED.is_poisoned();
    SHARED.clear_poison();
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if failed {
        *shared = None;
    }
    if shared.is_none() {
        *shared = Some(Estate::open()?);
    }
    Some(shared)
}

fn broker_password(host: &str) -> String {
    format!("of {host}")
}

/// The accounts at the broker: one for each host, and no other.
pub fn definitions() -> serde_json::Value {
    // "rabbit_password_hashing_sha256": four bytes of salt, and the digest of salt and password.
    let hash = |password: &str| {
        let salted = [b"salt", password.as_bytes()].concat();
        BASE64.encode(&[b"salt".as_slice(), Sha256::digest(&salted).as_slice()].concat())
    };
    let user = |host: &&str| {
        json!({ "name": format!("listmill-{host}"), "password_hash": hash(&broker_password(host)),
                "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": [] })
    };
    let permission = |host: &&str| json!({ "user": format!("listmill-{host}"), "vhost": "/", "configure": "^listmill\\.", "write": "^listmill\\.", "read": "^listmill\\." });
    json!({
        "users": HOSTS.iter().map(user).collect::<Vec<_>>(),
        "vhosts": [{ "name": "/" }],
        "permissions": HOSTS.iter().map(permission).collect::<Vec<_>>(),
    })
}
