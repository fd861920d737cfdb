//! The site file as it is meant: parsed values, absolute paths.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;
use listmill_core::settings::{self, Cascade};
use listmill_core::{Address, Allowance, ListAddress};
use listmill_delivery::RelayUrl;
use listmill_intake::Listen;
use listmill_queue_format::Queue;

use super::access::HOST;
use super::backends::{QueueConfig, StoreBackendKind};
use super::file::{SettingValue, SiteFile};
use crate::{Clock, Floor};

/// A site, as its file describes it.
#[derive(Debug, Clone)]
pub struct Site {
    /// The file.
    pub file: PathBuf,
    /// The domains whose lists live here, in lower case and A-labels.
    pub domains: Vec<String>,
    /// Who runs it.
    pub admins: Vec<Address>,
    /// Where embedded state lies.
    pub data: PathBuf,
    /// The name of this host.
    pub host: String,
    /// Settings of all lists and of each domain.
    pub cascade: Cascade,
    /// Where entries wait.
    pub queue: QueueConfig,
    /// Where lists, rosters and held posts are kept.
    pub store: StoreBackendKind,
    /// Where mail comes in.
    pub listen: Vec<Listen>,
    /// Octets of the largest message.
    pub max_message_size: u64,
    /// Sessions at the same time.
    pub max_sessions: usize,
    /// Whose Authentication-Results are believed.
    pub trusted_authserv_ids: Vec<String>,
    /// Where the site's own texts lie.
    pub templates: PathBuf,
    /// What one day allows on the word of mail that may be forged.
    pub letters: Allowance,
    /// When it is looked at what is due.
    pub clock: Clock,
    /// The smarthost.
    pub relay: RelayUrl,
    /// The most connections to it at the same time.
    pub connections: usize,
    /// Recipients of one outbound entry.
    pub chunk: usize,
    /// Certificates to trust beside the system's.
    pub ca_file: Option<PathBuf>,
    /// What must stay free on each disk that this host writes to.
    pub floor: Floor,
    /// How long a runner may have one entry in hand without coming by until its process ends itself; none: for ever.
    pub hang_limit: Option<Duration>,
    /// For how long it is known what became of a message; zero: it is not noted.
    pub trail_keep: SignedDuration,
    /// Octets that this may take.
    pub trail_size: u64,
    /// Where metrics can be fetched.
    pub metrics: Option<SocketAddr>,
    /// Which runners serve on which host.
    pub hosts: BTreeMap<String, Vec<Queue>>,
    /// Runners that `[hosts]` places and that no release serves yet: host and name.
    pub not_yet: Vec<(String, String)>,
    /// The name in `[hosts]` of the host that this is, where it was given.
    pub placed: Option<String>,
}

/// A site file that cannot be used. The operator's to mend; trying again does not help.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("failed to read the site file {}: {source}; `listmill init` writes one, `-c FILE` names another", file.display())]
    Read {
        /// Which.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not TOML, or has a key that does not exist.
    #[error("the site file {} is not right: {reason}", file.display())]
    Parse {
        /// Which.
        file: PathBuf,
        /// What the parser says.
        reason: String,
    },
    /// A value is not one of its key's values.
    #[error("the site file {}: {key}: {reason}", file.display())]
    Value {
        /// Which file.
        file: PathBuf,
        /// Which key.
        key: String,
        /// What is wrong.
        reason: String,
    },
}

impl Site {
    /// Reads and checks a site file, on the host that it calls `placed`; without that, on a host that bears its own name.
    ///
    /// # Errors
    /// [`ConfigError`] names the file, the key, and what is wrong.
    pub fn load(file: &Path, placed: Option<&str>) -> Result<Site, ConfigError> {
        let text = fs::read_to_string(file).map_err(|source| ConfigError::Read { file: file.to_owned(), source })?;
        let raw: SiteFile = toml::from_str(&text).map_err(|error| ConfigError::Parse {
            file: file.to_owned(),
            reason: error.to_string().trim().to_owned(),
        })?;
        let absolute =
            std::path::absolute(file).map_err(|source| ConfigError::Read { file: file.to_owned(), source })?;
        let here = placed.map_or_else(system_name, str::to_owned);
        let base = absolute.parent().unwrap_or(Path::new("/"));
        let mut site = Reader { base, file: &absolute, here: &here }.site(&raw)?;
        site.placed = placed.map(str::to_owned);
        Ok(site)
    }

    /// The control socket of the process that owns the store.
    pub fn socket(&self) -> PathBuf {
        self.data.join("control.sock")
    }

    /// The control socket of a serving process that does not own the store.
    pub fn socket_of(&self, pid: u32) -> PathBuf {
        self.data.join(format!("control-{pid}.sock"))
    }

    /// The ledger of recipients done.
    pub fn ledger(&self) -> PathBuf {
        self.data.join("ledger")
    }

    /// The directory of lists that this host saw last.
    pub fn directory(&self) -> PathBuf {
        self.data.join("directory")
    }

    /// What became of each message.
    pub fn trail(&self) -> PathBuf {
        self.data.join("trail")
    }

    /// The list's domain is one of this site's.
    pub fn has_domain_of(&self, list: &ListAddress) -> bool {
        self.domains.iter().any(|domain| domain == list.domain())
    }
}

/// Turns text into values; an error names its key.
pub(super) struct Reader<'a> {
    pub(super) base: &'a Path,
    pub(super) file: &'a Path,
    /// What `{host}` stands for.
    pub(super) here: &'a str,
}

impl Reader<'_> {
    fn site(&self, raw: &SiteFile) -> Result<Site, ConfigError> {
        let (trail_keep, trail_size) = self.trail(&raw.trail)?;
        Ok(Site {
            file: self.file.to_owned(),
            domains: self.each("site.domains", &raw.site.domains, |domain| self.domain(domain))?,
            admins: self.each("site.admins", &raw.site.admins, |text| {
                text.parse::<Address>().map_err(|error| error.to_string())
            })?,
            data: self.path(&raw.site.data),
            host: self.value("site.host", host(&raw.site.host.replace(HOST, self.here)))?,
            cascade: self.cascade(raw)?,
            queue: self.queue_config(&raw.queue)?,
            store: self.store_backend(&raw.store)?,
            listen: self.each("inbound.listen", &raw.inbound.listen, |text| {
                text.parse::<Listen>().map_err(|error| error.to_string())
            })?,
            max_message_size: self.value(
                "inbound.max_message_size",
                settings::size(&raw.inbound.max_message_size).and_then(above_zero),
            )?,
            max_sessions: self.count("inbound.max_sessions", raw.inbound.max_sessions)?,
            trusted_authserv_ids: raw.auth.trusted_authserv_ids.clone(),
            templates: self.path(&raw.site.templates),
            letters: Allowance {
                per_address: raw.command.letters_per_address,
                per_domain: raw.command.letters_per_domain,
            },
            clock: self.clock(raw)?,
            relay: self.value("outbound.relay", self.relay(&raw.outbound.relay))?,
            connections: self.count("outbound.connections", raw.outbound.connections)?,
            chunk: self.count("outbound.chunk", raw.outbound.chunk)?,
            ca_file: raw.outbound.ca_file.as_deref().map(|path| self.path(path)),
            floor: self.floor(&raw.guard)?,
            hang_limit: self.hang_limit(&raw.guard)?,
            trail_keep,
            trail_size,
            metrics: self.metrics(&raw.metrics)?,
            hosts: self.hosts(&raw.hosts)?,
            not_yet: not_yet(&raw.hosts),
            placed: None,
        })
    }

    pub(super) fn value<T>(&self, key: &str, value: Result<T, String>) -> Result<T, ConfigError> {
        value.map_err(|reason| ConfigError::Value { file: self.file.to_owned(), key: key.to_owned(), reason })
    }

    fn each<T>(
        &self,
        key: &str,
        texts: &[String],
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Vec<T>, ConfigError> {
        let values: Vec<T> = self.value(key, texts.iter().map(|text| read(text)).collect())?;
        if values.is_empty() { self.value(key, Err("there must be at least one".to_owned())) } else { Ok(values) }
    }

    fn count(&self, key: &str, number: usize) -> Result<usize, ConfigError> {
        self.value(key, if number == 0 { Err("must be at least 1".to_owned()) } else { Ok(number) })
    }

    pub(super) fn path(&self, text: &str) -> PathBuf {
        self.base.join(text)
    }

    fn domain(&self, text: &str) -> Result<String, String> {
        let probe = format!("x@{text}").parse::<Address>();
        probe.map(|probe| probe.domain().to_owned()).map_err(|_| format!("{text:?} is not a domain name"))
    }

    fn clock(&self, raw: &SiteFile) -> Result<Clock, ConfigError> {
        let every = settings::duration(&raw.command.clock).and_then(|every| {
            let every = Duration::try_from(every).map_err(|error| error.to_string())?;
            if every < Duration::from_secs(1) { Err("must be at least 1s".to_owned()) } else { Ok(every) }
        });
        let text = &raw.command.summary_at;
        let summary_at = text.parse().map_err(|_| format!("{text:?} is not a time of day, as \"06:00\""));
        Ok(Clock {
            every: self.value("command.clock", every)?,
            summary_at: self.value("command.summary_at", summary_at)?,
        })
    }

    /// A maildir's path is relative to the site file, as every path is.
    fn relay(&self, text: &str) -> Result<RelayUrl, String> {
        match text.parse().map_err(|error: listmill_delivery::RelayUrlError| error.to_string())? {
            RelayUrl::Maildir(dir) => Ok(RelayUrl::Maildir(self.base.join(dir))),
            relay => Ok(relay),
        }
    }

    fn cascade(&self, raw: &SiteFile) -> Result<Cascade, ConfigError> {
        let layer = |place: &str, values: &BTreeMap<String, SettingValue>| {
            let checked = values.iter().map(|(key, value)| {
                let text = value.text();
                settings::check(key, &text).map_err(|error| error.to_string())?;
                Ok((key.clone(), text))
            });
            self.value(place, checked.collect())
        };
        let ours = self.each("site.domains", &raw.site.domains, |domain| self.domain(domain))?;
        let domains = raw.domain.iter().map(|(domain, values)| {
            let place = format!("domain.{domain:?}");
            let ours = |domain: String| {
                if ours.contains(&domain) { Ok(domain) } else { Err("[site] domains does not have it".to_owned()) }
            };
            Ok((self.value(&place, self.domain(domain).and_then(ours))?, layer(&place, values)?))
        });
        Ok(Cascade { site: layer("defaults", &raw.defaults)?, domains: domains.collect::<Result<_, ConfigError>>()? })
    }

    fn hosts(&self, raw: &BTreeMap<String, Vec<String>>) -> Result<BTreeMap<String, Vec<Queue>>, ConfigError> {
        let mut hosts = BTreeMap::new();
        for (host, runners) in raw {
            let key = format!("hosts.{host}");
            let name = if is_host_name(host) { Ok(()) } else { Err(format!("{host:?} is not a host name")) };
            self.value(&key, name)?;
            let names = runners
                .iter()
                .filter(|name| !NOT_YET.contains(&name.as_str()))
                .map(|name| name.parse().map_err(|error: listmill_queue_format::UnknownQueue| error.to_string()));
            let queues: BTreeSet<Queue> = self.value(&key, names.collect())?;
            hosts.insert(host.clone(), queues.into_iter().collect());
        }
        Ok(hosts)
    }
}

fn above_zero(number: u64) -> Result<u64, String> {
    if number == 0 { Err("must be above 0".to_owned()) } else { Ok(number) }
}

/// Runners that the design has and no release serves yet. A site file may place them, and is told so.
const NOT_YET: [&str; 2] = ["archive", "digest"];

fn not_yet(hosts: &BTreeMap<String, Vec<String>>) -> Vec<(String, String)> {
    let placed = hosts.iter().flat_map(|(host, names)| names.iter().map(move |name| (host, name)));
    let placed = placed.filter(|(_, name)| NOT_YET.contains(&name.as_str()));
    placed.map(|(host, name)| (host.clone(), name.clone())).collect()
}

/// The kernel's name of this host.
fn system_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() { "localhost".to_owned() } else { name }
}

/// The name of this host as it goes into greetings and Received fields; the kernel's when none is given.
fn host(given: &str) -> Result<String, String> {
    if given.is_empty() {
        return Ok(system_name());
    }
    if is_host_name(given) { Ok(given.to_owned()) } else { Err(format!("{given:?} is not a host name")) }
}

fn is_host_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
}
