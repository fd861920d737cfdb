//! The command line, as design and operators know it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use listmill_core::{
    Address, BanPattern, Delivery, HeldId, ListAddress, Moderation, Preferences, Role, Roles, Timestamp,
};
use listmill_queue_format::{EntryId, Queue};
use listmill_runner::logs::LogFormat;

/// A mailing list manager made of queue runners.
///
/// Mail comes in by LMTP, passes a row of queues, and leaves as one copy per subscriber through a smarthost. Begin with `listmill demo`, which
/// shows the whole way on this machine in seconds, or with `listmill init` for a site of your own.
#[derive(Debug, Parser)]
#[command(name = "listmill", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// The site file [default: ./listmill.toml, else /etc/listmill/listmill.toml]
    #[arg(short, long, global = true, env = "LISTMILL_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// This host's name in the table `hosts` of the site file: `run` serves what that places here, and {host} in the file stands for it
    #[arg(long, global = true, env = "LISTMILL_HOST", value_name = "NAME")]
    pub(crate) host: Option<String>,
    /// How log lines look on stderr: text or json
    #[arg(long, global = true, default_value = "text", value_name = "FORMAT")]
    pub(crate) log_format: LogFormat,
    /// What is logged: error, warn, info, debug, or a filter [default: info for run, warn otherwise]
    #[arg(long, global = true, value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a commented site file and make the directories that it names
    Init {
        /// Where [default: here]
        dir: Option<PathBuf>,
    },
    /// Look at the site file and everything that it names: reachable, writable, sane
    Check,
    /// Serve until SIGTERM or SIGINT: the runners that are named; else those that the site file places on `--host`; else all
    Run {
        /// The runners to serve: inbound, auth, moderation, pending, outbound, bounce, command [default: all of this host]
        #[arg(value_parser = runner)]
        runners: Vec<Queue>,
    },
    /// The whole story on this machine in a few seconds: a list, a post, its copies, a held post
    Demo {
        /// Where its files go; must not exist or be empty [default: a new temporary directory]
        #[arg(long)]
        dir: Option<PathBuf>,
    },
    /// Take in one message from standard input; it is durable when this exits with 0
    Inject {
        /// An address of a list; may be given several times
        #[arg(long, required = true, num_args = 1.., value_name = "ADDR")]
        to: Vec<String>,
        /// The envelope sender; '' is that of automatic mail [default: the author's address]
        #[arg(long, value_name = "ADDR")]
        from: Option<String>,
    },
    /// Create, show and change lists
    #[command(subcommand)]
    List(List),
    /// Add, show, change and import the people on a list
    #[command(subcommand)]
    Member(Member),
    /// Decide about posts that wait for a moderator
    #[command(subcommand)]
    Held(Held),
    /// Keep addresses from writing to one list or to all of them
    #[command(subcommand)]
    Ban(Ban),
    /// Say what a bounce tells, and whom it blames
    #[command(subcommand)]
    Bounce(Bounce),
    /// Look into the queues, and help entries on
    #[command(subcommand)]
    Queue(QueueCommand),
    /// Move a whole store to another backend
    #[command(subcommand)]
    Store(StoreCommand),
    /// Write the whole store into one file, as it is at one moment; whatever serves goes on
    ///
    /// Lists, people, held posts, requests, the record of failed deliveries, the keys of tokens and return paths, the audit log. The mail in the queues
    /// is not in it, nor are the site file and templates. Keep it secret: whoever has the keys can act as anybody on a list.
    Backup {
        /// Where; a file that is there is replaced when the new one is whole
        file: PathBuf,
    },
    /// Put a backup in the place of the store
    ///
    /// The backup is looked through before anything is touched. Stop every `listmill run` of the site first. In a directory the store that was
    /// there is set aside; a database must be empty.
    Restore {
        /// What `listmill backup` has written
        file: PathBuf,
        /// Only look whether the backup is whole
        #[arg(long)]
        check: bool,
        /// Also when there is something in the store: it is set aside beside it
        #[arg(long, conflicts_with = "check")]
        replace: bool,
    },
    /// Say what would happen to a post, stage by stage, without doing it; the post is read from standard input
    Explain {
        /// The list, or any address of it
        list: String,
        /// The envelope sender [default: the author's address]
        #[arg(long, value_name = "ADDR")]
        from: Option<String>,
        #[command(flatten)]
        json: Json,
    },
    /// The words that people receive, and what this site says instead
    #[command(subcommand)]
    Template(Template),
    /// Say what became of a message on this host: on every hop, and for every recipient
    Trace {
        /// Its Message-ID, or the id of any of its entries
        message_id: String,
        /// Name every recipient, not only those who have no copy
        #[arg(long)]
        all: bool,
        /// Only this recipient
        #[arg(long, value_name = "ADDR")]
        recipient: Option<String>,
        #[command(flatten)]
        json: Json,
    },
    /// Runners, queues, store, disks, last errors, and what is wrong
    Status {
        #[command(flatten)]
        json: Json,
    },
    /// Print a completion script: bash, zsh, fish, elvish, powershell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a directory
    Man {
        /// Where
        dir: PathBuf,
    },
}

#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Json {
    /// JSON instead of a table
    #[arg(long = "json")]
    pub(crate) on: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Bounce {
    /// Say what each of these messages is, whom it names, and whose fault it is; and with a site file what would follow from it, stage by stage, without doing it
    Explain {
        /// Files of one message each, or `-` for standard input; their lines may end in any way
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The address of a list that they came to [default: the one in their Delivered-To, X-Original-To or To field]
        #[arg(long, value_name = "ADDR")]
        to: Option<Address>,
        /// One line of JSON for each file, instead of text
        #[arg(long = "json")]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum List {
    /// Create a list
    Create {
        /// Its posting address, as dev@lists.example.org
        list: ListAddress,
        /// Who runs it; may be given several times
        #[arg(long, required = true, value_name = "ADDR")]
        owner: Vec<Address>,
        /// A setting of its own; may be given several times
        #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
        set: Vec<(String, String)>,
    },
    /// All lists
    Ls {
        #[command(flatten)]
        json: Json,
    },
    /// One list: its settings, where each value is from, how many members
    Show {
        /// Which
        list: ListAddress,
        #[command(flatten)]
        json: Json,
    },
    /// Change settings: `list set dev@lists.example.org emergency=on`
    #[command(after_long_help = settings_help())]
    Set {
        /// Which
        list: ListAddress,
        /// What
        #[arg(value_name = "KEY=VALUE", value_parser = setting, required_unless_present = "unset")]
        set: Vec<(String, String)>,
        /// Take the list's own value away, so that the domain's or the site's holds again
        #[arg(long, value_name = "KEY")]
        unset: Vec<String>,
    },
    /// Remove a list with its roster and its held posts
    Remove {
        /// Which
        list: ListAddress,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Member {
    /// Put people on a list
    Add {
        /// Which list
        list: ListAddress,
        /// Who
        #[arg(required = true)]
        address: Vec<Address>,
        /// Display name
        #[arg(long, default_value = "", hide_default_value = true)]
        name: String,
        /// member, moderator or owner; may be given several times [default: member]
        #[arg(long)]
        role: Vec<Role>,
    },
    /// The people on a list
    Ls {
        /// Which list
        list: ListAddress,
        /// Only people with this role
        #[arg(long)]
        role: Option<Role>,
        #[command(flatten)]
        json: Json,
    },
    /// One person on a list
    Show {
        /// Which list
        list: ListAddress,
        /// Who
        address: Address,
        #[command(flatten)]
        json: Json,
    },
    /// Change one person's record: `member set LIST ADDRESS delivery=off moderation=hold`
    ///
    /// A delivery that is off begins again by itself on the day of `resumes` (UTC). ack: a note when an own post is distributed. myposts: copies of
    /// own posts. duplicates: a copy although To or Cc names the member. hide: left out when others ask who is on the list.
    Set {
        /// Which list
        list: ListAddress,
        /// Who
        address: Address,
        /// name=…, roles=member+owner, delivery=each|off, resumes=2026-12-01, moderation=default|accept|hold|reject|discard, language=…,
        /// ack|myposts|duplicates|hide=on|off
        #[arg(required = true, value_name = "KEY=VALUE", value_parser = member_setting)]
        set: Vec<MemberSetting>,
    },
    /// Take people off a list
    Remove {
        /// Which list
        list: ListAddress,
        /// Who
        #[arg(required = true)]
        address: Vec<Address>,
    },
    /// Put many people on a list: one `addr` or `Name <addr>` a line, or CSV with a header line that has `address`
    ///
    /// Of CSV the columns address, name, roles, delivery, moderation, language, preferences (as "ack=on hide=on") and resumes are read.
    ///
    /// If a line cannot be read nobody is imported, and each such line is named. Who is on the list already stays as they are, so an
    /// import that was interrupted can be repeated.
    Import {
        /// Which list
        list: ListAddress,
        /// The file, or - for standard input
        file: String,
    },
    /// Print the roster as CSV that `member import` reads
    Export {
        /// Which list
        list: ListAddress,
    },
}

/// One change of a person's record.
#[derive(Debug, Clone)]
pub(crate) enum MemberSetting {
    Name(String),
    Roles(Roles),
    Delivery(Delivery),
    Moderation(Moderation),
    Language(Option<String>),
    /// One of [`listmill_core::Preferences::named`].
    Preference(&'static str, bool),
    Resumes(Option<Timestamp>),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Held {
    /// The posts that wait, of one list or of all
    Ls {
        /// Which list [default: all]
        list: Option<ListAddress>,
        #[command(flatten)]
        json: Json,
    },
    /// One held post: who, what, why
    Show {
        /// Which list
        list: ListAddress,
        /// Its number
        id: HeldId,
        /// The post itself, byte for byte
        #[arg(long, conflicts_with = "on")]
        message: bool,
        #[command(flatten)]
        json: Json,
    },
    /// Let posts through to the list
    Accept {
        /// Which list
        list: ListAddress,
        /// Their numbers
        #[arg(required = true)]
        id: Vec<HeldId>,
    },
    /// Send posts back to their authors, with a reason
    Reject {
        /// Which list
        list: ListAddress,
        /// Their numbers
        #[arg(required = true)]
        id: Vec<HeldId>,
        /// What the author is told
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Drop posts; nobody is told
    Discard {
        /// Which list
        list: ListAddress,
        /// Their numbers
        #[arg(required = true)]
        id: Vec<HeldId>,
    },
    /// Take rejections and discards of the last 15 minutes back: the posts wait again
    Undo {
        /// Which list
        list: ListAddress,
        /// Their numbers
        #[arg(required = true)]
        id: Vec<HeldId>,
    },
    /// Mail the moderators of a list what waits, now; their answer decides
    Summary {
        /// Which list
        list: ListAddress,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Ban {
    /// Ban an address, a domain (@example.net) or a domain with all below it (@.example.net)
    Add {
        /// Whom
        pattern: BanPattern,
        /// Only on this list [default: on all]
        #[arg(long)]
        list: Option<ListAddress>,
        /// Why, for those who run the list
        #[arg(long, default_value = "", hide_default_value = true)]
        reason: String,
    },
    /// The bans of the site, or of one list
    Ls {
        /// Of this list [default: the site's]
        #[arg(long)]
        list: Option<ListAddress>,
        #[command(flatten)]
        json: Json,
    },
    /// Lift a ban
    Remove {
        /// Whom
        pattern: BanPattern,
        /// The ban of this list [default: the site's]
        #[arg(long)]
        list: Option<ListAddress>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Template {
    /// Every text: its name, its language, and who wrote it (built-in, site, a domain or a list)
    Ls {
        #[command(flatten)]
        json: Json,
    },
    /// Print a text before it is filled in, as an override of it would begin
    Show {
        #[command(flatten)]
        wanted: Wanted,
    },
    /// Look at every text that this site says instead of a built-in one
    Check,
    /// Print a text with values as they could be
    Preview {
        #[command(flatten)]
        wanted: Wanted,
    },
}

/// Which text, for whom.
#[derive(Debug, Args)]
pub(crate) struct Wanted {
    /// Its name, as `template ls` shows it
    pub(crate) name: String,
    /// The language of the reader; without it that of the list, else en
    #[arg(long)]
    pub(crate) language: Option<String>,
    /// As the people of this list receive it
    #[arg(long)]
    pub(crate) list: Option<ListAddress>,
}

/// Where a queue was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MoveFrom {
    /// In this spool; none: in that of the site file.
    Disk(Option<PathBuf>),
    /// At the broker of the site file.
    Amqp,
}

impl std::str::FromStr for MoveFrom {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "disk" => Ok(MoveFrom::Disk(None)),
            None if text == "amqp" => Ok(MoveFrom::Amqp),
            Some(("disk", path)) if !path.is_empty() => Ok(MoveFrom::Disk(Some(PathBuf::from(path)))),
            _ => Err("it is disk, disk:PATH or amqp".to_owned()),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum QueueCommand {
    /// All queues: how much waits, since when, what is deferred or set aside
    Ls {
        #[command(flatten)]
        json: Json,
    },
    /// The entries of one queue, or one entry: what it is, for whom, what has happened to it and why
    Show {
        /// A queue's name or an entry's id
        what: String,
        /// How many entries at most
        #[arg(long, default_value_t = 100)]
        limit: usize,
        #[command(flatten)]
        json: Json,
    },
    /// Print line 1 of an entry, its message, or its distribution list
    Cat {
        /// Which
        entry: EntryId,
        /// The message, byte for byte
        #[arg(long, conflicts_with = "recipients")]
        message: bool,
        /// The distribution list: a JSON object a line, with what the next host said last
        #[arg(long)]
        recipients: bool,
    },
    /// Make shunted or deferred entries claimable now
    Retry {
        /// Which
        #[arg(required = true)]
        entry: Vec<EntryId>,
    },
    /// Remove entries for good
    Remove {
        /// Which
        #[arg(required = true)]
        entry: Vec<EntryId>,
    },
    /// Let entries wait: no runner claims from this queue until it is resumed
    Pause {
        /// Which queue
        queue: Queue,
    },
    /// End a pause
    Resume {
        /// Which queue
        queue: Queue,
    },
    /// Carry what is left of a queue from where it was to where the site file has it now
    ///
    /// After the backend or the path of a queue has changed in the site file and its writers have been restarted. Entries that a process
    /// still has in hand there are named: run it again. What was set aside after a fault stays where it is, and is counted.
    Move {
        /// Which
        queue: Queue,
        /// Where it was: disk (the spool of the site file), disk:PATH, or amqp (the broker of the site file)
        #[arg(long, value_name = "PLACE")]
        from: MoveFrom,
    },
    /// Let a runner on this host finish what it has in hand and stop, so that it can be started elsewhere; returns when it has
    ///
    /// Every process of this site on this host is told; with `--host`, those that serve as that host. Its other runners go on, and
    /// a process whose last runner stops ends.
    Drain {
        /// Which
        runner: Queue,
    },
}

/// A store as a whole.
#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Copy everything from one store to another, which must be empty, and compare what has arrived
    ///
    /// Stop every `listmill run` of the site first: nobody else may work with either store. Nothing is changed in the one that is copied. Then name
    /// the other in the site file.
    Copy {
        /// Where everything is: sled:DIRECTORY or postgres://USER@HOST/DATABASE
        #[arg(long, value_name = "STORE", value_parser = store_place)]
        from: StorePlace,
        /// Where it shall be, in the same form; a directory that is not there is made
        #[arg(long, value_name = "STORE", value_parser = store_place)]
        to: StorePlace,
        /// The database user's password, as the first line of a file
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        /// Certificates (PEM) of those who may vouch for the database; the connection is then by TLS
        #[arg(long, value_name = "FILE")]
        ca_file: Option<PathBuf>,
    },
}

/// Where a store is.
#[derive(Debug, Clone)]
pub(crate) enum StorePlace {
    /// In a directory.
    Sled(PathBuf),
    /// In a database; its URL.
    Postgres(String),
}

/// A runner has the name of the queue that it serves.
fn runner(word: &str) -> Result<Queue, String> {
    let names = || Queue::ALL.map(Queue::name).join(", ");
    word.parse().map_err(|_| format!("there is no such runner; the runners are {}", names()))
}

fn store_place(text: &str) -> Result<StorePlace, String> {
    match text.split_once(':') {
        Some(("sled", path)) if !path.is_empty() => Ok(StorePlace::Sled(PathBuf::from(path))),
        Some(("postgres" | "postgresql", _)) => Ok(StorePlace::Postgres(text.to_owned())),
        _ => Err("a store is sled:DIRECTORY or postgres://USER@HOST/DATABASE".to_owned()),
    }
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("a setting is KEY=VALUE, as emergency=on")?;
    listmill_core::settings::check(key, value).map_err(|error| error.to_string())?;
    if key == "footer" {
        listmill_templates::check_footer(value).map_err(|error| error.to_string())?;
    }
    Ok((key.to_owned(), value.to_owned()))
}

fn member_setting(text: &str) -> Result<MemberSetting, String> {
    let (key, value) = text.split_once('=').ok_or("a change is KEY=VALUE, as delivery=off")?;
    match key {
        "name" if value.chars().any(char::is_control) => {
            Err("a name is one line without control characters".to_owned())
        }
        "name" => Ok(MemberSetting::Name(value.to_owned())),
        "roles" | "role" => value.parse().map(MemberSetting::Roles),
        "delivery" => value.parse().map(MemberSetting::Delivery),
        "moderation" => value.parse().map(MemberSetting::Moderation),
        "language" if value.is_empty() => Ok(MemberSetting::Language(None)),
        "language" => {
            listmill_core::settings::check(key, value).map_err(|error| error.to_string())?;
            Ok(MemberSetting::Language(Some(value.to_owned())))
        }
        "resumes" => resumes(value).map(MemberSetting::Resumes),
        _ => preference(key, value),
    }
}

fn preference(key: &str, value: &str) -> Result<MemberSetting, String> {
    let Some((name, _)) = Preferences::default().named().into_iter().find(|(name, _)| *name == key) else {
        let known = "name, roles, delivery, resumes, moderation, language, ack, myposts, duplicates, hide";
        return Err(format!("{key:?} is not known; there are {known}"));
    };
    match value {
        "on" => Ok(MemberSetting::Preference(name, true)),
        "off" => Ok(MemberSetting::Preference(name, false)),
        _ => Err(format!("{value:?} is neither on nor off")),
    }
}

/// A day, from its beginning (UTC), or a moment; empty: none.
pub(crate) fn resumes(text: &str) -> Result<Option<Timestamp>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let moment = format!("{text}T00:00:00Z").parse().or_else(|_| text.parse());
    moment.map(Some).map_err(|_| format!("{text:?} is not a day, as 2026-12-01"))
}

fn settings_help() -> String {
    let keys = listmill_core::settings::KEYS.iter();
    let lines = keys.map(|key| format!("  {:<22} {} [default: {:?}]", key.name, key.meaning, key.default));
    format!("Settings:\n{}", lines.collect::<Vec<_>>().join("\n"))
}
