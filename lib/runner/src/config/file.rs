//! The site file as it is written: every key, and nothing else.
//!
//! An unknown key is an error that names it; each absent one has the default that `listmill init` writes.

use std::collections::BTreeMap;

use listmill_queue_format::Queue;
use serde::{Deserialize, Serialize};

use super::guard::GuardTable;
use super::watch::{MetricsTable, TrailTable};

/// What `listmill init` writes: every key with its default and reason.
pub const DEFAULT_SITE_FILE: &str = include_str!("listmill.toml");

/// The site file. The meaning of each key stands in [`DEFAULT_SITE_FILE`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SiteFile {
    /// `[site]`
    pub site: SiteTable,
    /// `[defaults]`: settings of every list.
    pub defaults: BTreeMap<String, SettingValue>,
    /// `[domain."…"]`: settings of the lists of a domain.
    pub domain: BTreeMap<String, BTreeMap<String, SettingValue>>,
    /// `[queue]`
    pub queue: QueueTable,
    /// `[store]`
    pub store: StoreTable,
    /// `[inbound]`
    pub inbound: InboundTable,
    /// `[auth]`
    pub auth: AuthTable,
    /// `[command]`
    pub command: CommandTable,
    /// `[outbound]`
    pub outbound: OutboundTable,
    /// `[guard]`
    pub guard: GuardTable,
    /// `[trail]`
    pub trail: TrailTable,
    /// `[metrics]`
    pub metrics: MetricsTable,
    /// `[hosts]`
    pub hosts: BTreeMap<String, Vec<String>>,
}

/// A setting in TOML: text, or the number or switch that its text form reads like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SettingValue {
    /// `"hold"`
    Text(String),
    /// `5`
    Number(i64),
    /// `true` for `on`, `false` for `off`.
    Switch(bool),
}

impl SettingValue {
    /// The text form, as `list set` takes it.
    pub fn text(&self) -> String {
        match self {
            SettingValue::Text(text) => text.clone(),
            SettingValue::Number(number) => number.to_string(),
            SettingValue::Switch(true) => "on".to_owned(),
            SettingValue::Switch(false) => "off".to_owned(),
        }
    }
}

/// `[site]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SiteTable {
    /// The domains whose lists live here.
    pub domains: Vec<String>,
    /// Who runs this site.
    pub admins: Vec<String>,
    /// Where embedded state lies.
    pub data: String,
    /// The name of this host; when empty, the system's.
    pub host: String,
    /// Where the site's own texts lie.
    pub templates: String,
}

/// `[queue]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QueueTable {
    /// Which queue backend.
    pub backend: String,
    /// The spool.
    pub path: String,
    /// The broker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Where the broker's password stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<String>,
    /// Certificates to trust beside the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// Entries that the broker hands out ahead.
    pub prefetch: u16,
    /// What a host keeps while the broker is away.
    pub spool_limit: String,
    /// `[queue.inbound]`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inbound: Option<OneQueue>,
    /// `[queue.auth]`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<OneQueue>,
    /// `[queue.moderation]`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moderation: Option<OneQueue>,
    /// `[queue.pending]`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<OneQueue>,
    /// `[queue.outbound]`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outbound: Option<OneQueue>,
    /// `[queue.bounce]`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bounce: Option<OneQueue>,
    /// `[queue.command]`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<OneQueue>,
}

impl QueueTable {
    /// What the file says of one queue alone.
    pub fn one(&self, queue: Queue) -> Option<&OneQueue> {
        match queue {
            Queue::Inbound => self.inbound.as_ref(),
            Queue::Auth => self.auth.as_ref(),
            Queue::Moderation => self.moderation.as_ref(),
            Queue::Pending => self.pending.as_ref(),
            Queue::Outbound => self.outbound.as_ref(),
            Queue::Bounce => self.bounce.as_ref(),
            Queue::Command => self.command.as_ref(),
        }
    }
}

/// `[queue.NAME]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OneQueue {
    /// Which queue backend; that of `[queue]` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// The spool; that of `[queue]` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Where everybody writes who writes to it, for a runner of somebody else's in front of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
}

/// `[store]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreTable {
    /// Which store backend.
    pub backend: String,
    /// Where it lies.
    pub path: String,
    /// The database.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Where the database's password stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<String>,
    /// Certificates to trust beside the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
}

/// `[inbound]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InboundTable {
    /// Where mail comes in.
    pub listen: Vec<String>,
    /// The largest message.
    pub max_message_size: String,
    /// Sessions at the same time.
    pub max_sessions: usize,
}

/// `[auth]`
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthTable {
    /// Whose Authentication-Results are believed (RFC 8601).
    pub trusted_authserv_ids: Vec<String>,
}

/// `[command]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CommandTable {
    /// Letters a day to one address on the word of mail that may be forged.
    pub letters_per_address: u32,
    /// Letters a day to one domain on the word of mail that may be forged.
    pub letters_per_domain: u32,
    /// How often it is looked at what is due.
    pub clock: String,
    /// When moderators get the daily summary (UTC).
    pub summary_at: String,
}

/// `[outbound]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutboundTable {
    /// The smarthost.
    pub relay: String,
    /// The most connections at the same time.
    pub connections: usize,
    /// Recipients of one outbound entry.
    pub chunk: usize,
    /// Certificates to trust beside the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
}

impl Default for SiteTable {
    fn default() -> Self {
        SiteTable {
            domains: vec!["lists.example.org".to_owned()],
            admins: vec!["postmaster@example.org".to_owned()],
            data: "data".to_owned(),
            host: String::new(),
            templates: "templates".to_owned(),
        }
    }
}

impl Default for QueueTable {
    fn default() -> Self {
        QueueTable {
            backend: "disk".to_owned(),
            path: "data/spool".to_owned(),
            url: None,
            password_file: None,
            ca_file: None,
            prefetch: 32,
            spool_limit: "1 GiB".to_owned(),
            inbound: None,
            auth: None,
            moderation: None,
            pending: None,
            outbound: None,
            bounce: None,
            command: None,
        }
    }
}

impl Default for StoreTable {
    fn default() -> Self {
        StoreTable {
            backend: "sled".to_owned(),
            path: "data/store".to_owned(),
            url: None,
            password_file: None,
            ca_file: None,
        }
    }
}

impl Default for InboundTable {
    fn default() -> Self {
        InboundTable {
            listen: vec!["lmtp://127.0.0.1:8024".to_owned()],
            max_message_size: "25 MiB".to_owned(),
            max_sessions: 200,
        }
    }
}

impl Default for CommandTable {
    fn default() -> Self {
        CommandTable {
            letters_per_address: 3,
            letters_per_domain: 20_000,
            clock: "5m".to_owned(),
            summary_at: "06:00".to_owned(),
        }
    }
}

impl Default for OutboundTable {
    fn default() -> Self {
        OutboundTable { relay: "smtp://127.0.0.1:25".to_owned(), connections: 10, chunk: 500, ca_file: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_written_site_file_says_what_is_built_in() {
        assert_eq!(toml::from_str::<SiteFile>(DEFAULT_SITE_FILE).unwrap(), SiteFile::default());
    }

    #[test]
    fn every_key_stands_in_the_written_site_file() {
        let some = || Some(String::new());
        let access = (some(), some(), some());
        let (url, password_file, ca_file) = access.clone();
        let queue =
            QueueTable { url, password_file, ca_file, outbound: Some(OneQueue::default()), ..Default::default() };
        let (url, password_file, ca_file) = access;
        let store = StoreTable { url, password_file, ca_file, ..Default::default() };
        let outbound = OutboundTable { ca_file: some(), ..Default::default() };
        let metrics = MetricsTable { listen: some() };
        let file = SiteFile { queue, store, outbound, metrics, ..Default::default() };
        let toml::Value::Table(tables) = toml::Value::try_from(file).unwrap() else { unreachable!() };
        for (name, table) in tables {
            assert!(DEFAULT_SITE_FILE.contains(&format!("[{name}")), "[{name}]");
            for (key, value) in table.as_table().into_iter().flatten() {
                if value.is_table() {
                    assert!(DEFAULT_SITE_FILE.contains(&format!("[{name}.{key}]")), "[{name}.{key}]");
                    continue;
                }
                let written = DEFAULT_SITE_FILE
                    .lines()
                    .any(|line| line.trim_start_matches("# ").starts_with(&format!("{key} = ")));
                assert!(written, "[{name}] {key}");
            }
        }
    }

    #[test]
    fn an_unknown_key_is_named() {
        let error = toml::from_str::<SiteFile>("[outbound]\nrelais = \"smtp://x\"\n").unwrap_err().to_string();
        assert!(error.contains("relais") && error.contains("relay"), "{error}");
        let error = toml::from_str::<SiteFile>("[queue.outbond]\nbackend = \"disk\"\n").unwrap_err().to_string();
        assert!(error.contains("outbond") && error.contains("outbound"), "{error}");
    }

    #[test]
    fn each_queue_may_differ() {
        for queue in Queue::ALL {
            let file: SiteFile = toml::from_str(&format!("[queue.{queue}]\nbackend = \"amqp\"\n")).unwrap();
            assert_eq!(file.queue.one(queue).and_then(|one| one.backend.as_deref()), Some("amqp"));
        }
    }
}
