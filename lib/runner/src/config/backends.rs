//! `[queue]` and `[store]` as they are meant: which backend, where, and as whom.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use listmill_core::settings;
use listmill_queue_format::Queue;

use super::access::{Access, HOST};
use super::file::{QueueTable, StoreTable};
use super::site::{ConfigError, Reader};

/// Where entries wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueConfig {
    /// The backend of each queue.
    pub backends: BTreeMap<Queue, QueueBackendKind>,
    /// Where entries are written that are bound for these queues, for a runner of somebody else's to carry them on.
    pub fronts: BTreeMap<Queue, Front>,
    /// The spool: queues on the disk, and what this host keeps for itself while the broker is away.
    pub spool: PathBuf,
    /// The broker, when the site file names one.
    pub broker: Option<Access>,
    /// Entries that the broker hands out to one runner ahead of those that it has in hand.
    pub prefetch: u16,
    /// Octets that this host keeps while the broker is away; 0: none.
    pub spool_limit: u64,
}

/// Where the entries of one queue wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueBackendKind {
    /// Files below this spool.
    Disk(PathBuf),
    /// A queue of the broker.
    Amqp,
}

/// What is in front of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Front {
    /// The queue of this name below another spool.
    Disk(PathBuf),
    /// The queue of this name in another virtual host, or at another broker.
    Amqp(Access),
}

/// Where lists, rosters and held posts are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreBackendKind {
    /// sled, in this directory.
    Sled(PathBuf),
    /// A PostgreSQL database.
    Postgres(Access),
}

impl QueueConfig {
    /// The backend of this queue.
    pub fn backend(&self, queue: Queue) -> &QueueBackendKind {
        self.backends.get(&queue).expect("every queue has its backend")
    }

    /// Some queue is with the broker: then so is the notice board.
    pub fn uses_broker(&self) -> bool {
        self.backends.values().any(|backend| *backend == QueueBackendKind::Amqp)
    }

    /// What this host keeps until the broker takes it.
    pub fn unsent(&self) -> PathBuf {
        self.spool.join("unsent")
    }

    /// Every spool that holds a queue.
    pub fn spools(&self) -> BTreeSet<&Path> {
        let paths = self.backends.values().filter_map(|backend| match backend {
            QueueBackendKind::Disk(path) => Some(path.as_path()),
            QueueBackendKind::Amqp => None,
        });
        paths.collect()
    }
}

impl QueueBackendKind {
    /// The word in the site file.
    pub fn name(&self) -> &'static str {
        match self {
            QueueBackendKind::Disk(_) => "disk",
            QueueBackendKind::Amqp => "amqp",
        }
    }
}

impl Reader<'_> {
    pub(super) fn queue_config(&self, raw: &QueueTable) -> Result<QueueConfig, ConfigError> {
        let table = Service { table: "queue", password_key: "queue.password_file", schemes: &["amqp", "amqps"] };
        let broker = self.access(&table, raw.url.as_deref(), raw.password_file.as_deref(), raw.ca_file.as_deref())?;
        if broker.as_ref().is_some_and(|broker| broker.ca_file.is_some() && broker.scheme() == "amqp") {
            self.value(
                "queue.ca_file",
                Err("is of no use with amqp://, which is not encrypted: use amqps://".to_owned()),
            )?;
        }
        let backends = Queue::ALL.into_iter().map(|queue| Ok((queue, self.queue_backend(raw, queue)?)));
        let limit = settings::size(&raw.spool_limit);
        let config = QueueConfig {
            backends: backends.collect::<Result<_, ConfigError>>()?,
            fronts: self.fronts(raw, broker.as_ref())?,
            spool: self.path(&raw.path),
            broker,
            prefetch: self.value("queue.prefetch", at_least_one(raw.prefetch))?,
            spool_limit: self.value("queue.spool_limit", limit)?,
        };
        if config.uses_broker() && config.broker.is_none() {
            self.value("queue.url", Err("the backend amqp needs it: amqp://USER@HOST:PORT/VHOST".to_owned()))?;
        }
        Ok(config)
    }

    fn queue_backend(&self, raw: &QueueTable, queue: Queue) -> Result<QueueBackendKind, ConfigError> {
        let one = raw.one(queue);
        let (key, name) = match one.and_then(|one| one.backend.as_deref()) {
            Some(name) => (format!("queue.{queue}.backend"), name),
            None => ("queue.backend".to_owned(), raw.backend.as_str()),
        };
        let own_path = one.and_then(|one| one.path.as_deref());
        match name {
            "disk" => Ok(QueueBackendKind::Disk(self.path(own_path.unwrap_or(&raw.path)))),
            "amqp" if own_path.is_some() => {
                self.value(&format!("queue.{queue}.path"), Err("is of no use with the backend amqp".to_owned()))
            }
            "amqp" => Ok(QueueBackendKind::Amqp),
            other => self.value(&key, Err(format!("{other:?} is not a queue backend: disk or amqp"))),
        }
    }

    fn fronts(&self, raw: &QueueTable, broker: Option<&Access>) -> Result<BTreeMap<Queue, Front>, ConfigError> {
        let mut fronts = BTreeMap::new();
        for queue in Queue::ALL {
            let Some(via) = raw.one(queue).and_then(|one| one.via.as_deref()) else { continue };
            let key = format!("queue.{queue}.via");
            let front = if via.contains("://") {
                let table = Service { table: &key, password_key: "queue.password_file", schemes: &["amqp", "amqps"] };
                let access = self.access(&table, Some(via), raw.password_file.as_deref(), raw.ca_file.as_deref())?;
                Front::Amqp(access.expect("there is a url"))
            } else {
                Front::Disk(self.path(via))
            };
            let own = self.queue_backend(raw, queue)?;
            let is_itself = match (&front, &own) {
                (Front::Disk(front), QueueBackendKind::Disk(own)) => front == own,
                (Front::Amqp(front), QueueBackendKind::Amqp) => broker.is_some_and(|broker| broker.url == front.url),
                _ => false,
            };
            if is_itself {
                self.value(&key, Err("is where the queue itself is: in front of it must be another place".to_owned()))?;
            }
            // Intake writes them in its dialogue, with the stage inside; there is nobody in front.
            if queue == Queue::Inbound {
                self.value(&key, Err("nobody writes to this queue".to_owned()))?;
            }
            fronts.insert(queue, front);
        }
        Ok(fronts)
    }

    pub(super) fn store_backend(&self, raw: &StoreTable) -> Result<StoreBackendKind, ConfigError> {
        let table =
            Service { table: "store", password_key: "store.password_file", schemes: &["postgres", "postgresql"] };
        let database = self.access(&table, raw.url.as_deref(), raw.password_file.as_deref(), raw.ca_file.as_deref())?;
        match (raw.backend.as_str(), database) {
            ("sled", _) => Ok(StoreBackendKind::Sled(self.path(&raw.path))),
            ("postgres", Some(database)) => Ok(StoreBackendKind::Postgres(database)),
            ("postgres", None) => {
                let reason = "the backend postgres needs it: postgres://USER@HOST/DATABASE";
                self.value("store.url", Err(reason.to_owned()))
            }
            (other, _) => {
                self.value("store.backend", Err(format!("{other:?} is not a store backend: sled or postgres")))
            }
        }
    }

    /// What `url`, `password_file` and `ca_file` of one table say; none without a URL.
    fn access(
        &self,
        service: &Service<'_>,
        url: Option<&str>,
        password_file: Option<&str>,
        ca_file: Option<&str>,
    ) -> Result<Option<Access>, ConfigError> {
        let Some(url) = url else {
            for (key, value) in [("password_file", password_file), ("ca_file", ca_file)] {
                if value.is_some() {
                    self.value(&format!("{}.{key}", service.table), Err("is of no use without a url".to_owned()))?;
                }
            }
            return Ok(None);
        };
        let file = |text: &str| self.path(&text.replace(HOST, self.here));
        // Only the user is filled in; where else it stands, it is an error.
        let (begin, end) = url.split_at(url.rfind('@').unwrap_or(0));
        let url = format!("{}{end}", begin.replace(HOST, self.here));
        let access = Access::new(
            service.password_key,
            service.schemes,
            &url,
            password_file.map(file),
            ca_file.map(|text| self.path(text)),
        );
        match access {
            Ok(access) => Ok(Some(access)),
            Err((key, reason)) => self.value(&format!("{}.{key}", service.table), Err(reason)),
        }
    }
}

/// What is the broker's and what the database's.
struct Service<'a> {
    table: &'a str,
    password_key: &'static str,
    schemes: &'static [&'static str],
}

fn at_least_one(number: u16) -> Result<u16, String> {
    if number == 0 { Err("must be at least 1".to_owned()) } else { Ok(number) }
}
