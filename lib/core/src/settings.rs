//! A list's settings: one table of keys, and the cascade that gives each key its value.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::SignedDuration;
use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use crate::{Address, ListAddress};

/// What is done with a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It goes to the list.
    Accept,
    /// It waits for a moderator.
    Hold,
    /// It goes back, with a reason.
    Reject,
    /// It is dropped; the log says so.
    Discard,
}

/// Where replies are led.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReplyTo {
    /// Where the author wants them: nothing is changed.
    Author,
    /// To the list: a Reply-To field is set.
    List,
}

/// How much of each copy of a post is its recipient's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Copies {
    /// Each has a return path and a List-Unsubscribe field of its own.
    Personal,
    /// All are the same octets, and may leave together.
    Shared,
}

/// What it takes to join or to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Policy {
    /// The request is enough.
    Open,
    /// The person confirms.
    Confirm,
    /// A moderator decides.
    Moderate,
    /// The person confirms, then a moderator decides.
    ConfirmAndModerate,
}

/// Who may see who is on the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Visible {
    /// Its members.
    Members,
    /// The people in charge.
    Owners,
}

/// What it takes to believe a mail of somebody who is in charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Proof {
    /// An aligned authentication result of a trusted host, or else a confirmation.
    Aligned,
    /// A confirmation, each time.
    Confirm,
    /// The token that went to this person alone.
    Token,
}

/// When moderators hear of what is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Notices {
    /// At once, and in the daily summary.
    Each,
    /// In the daily summary.
    Daily,
    /// Never.
    Off,
}

/// What is done when a member's provider reports that the member complains about the list's mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Complaint {
    /// It is noted, and the owners are told.
    Flag,
    /// The member leaves, and the owners are told.
    Leave,
    /// Nothing.
    Off,
}

/// Who may read the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Archive {
    /// Everybody.
    Public,
    /// Members.
    Private,
    /// There is none.
    Off,
}

macro_rules! words {
    ($($type:ident { $($variant:ident = $word:literal),+ })+) => {$(
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $($type::$variant => $word),+ })
            }
        }

        impl FromStr for $type {
            type Err = String;

            fn from_str(word: &str) -> Result<Self, String> {
                match word {
                    $($word => Ok($type::$variant),)+
                    _ => Err(format!("{word:?} is not one of {}", [$($word),+].join(", "))),
                }
            }
        }
    )+};
}

words! {
    Action { Accept = "accept", Hold = "hold", Reject = "reject", Discard = "discard" }
    ReplyTo { Author = "author", List = "list" }
    Copies { Personal = "personal", Shared = "shared" }
    Policy { Open = "open", Confirm = "confirm", Moderate = "moderate", ConfirmAndModerate = "confirm+moderate" }
    Visible { Members = "members", Owners = "owners" }
    Proof { Aligned = "aligned", Confirm = "confirm", Token = "token" }
    Notices { Each = "each", Daily = "daily", Off = "off" }
    Archive { Public = "public", Private = "private", Off = "off" }
    Complaint { Flag = "flag", Leave = "leave", Off = "off" }
    Switch { On = "on", Off = "off" }
    HoldOrAccept { Hold = "hold", Accept = "accept" }
}

enum Switch {
    On,
    Off,
}

enum HoldOrAccept {
    Hold,
    Accept,
}

/// One header rule of an owner: `Field: pattern => action`.
#[derive(Debug, Clone)]
pub struct HeaderMatch {
    /// The header field, in lower case.
    pub field: String,
    /// What its decoded value must match somewhere; letters in either case; linear time.
    pub pattern: Regex,
    /// What is done then.
    pub action: Action,
}

impl FromStr for HeaderMatch {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let form = || format!("{line:?} is not of the form `Field: pattern => hold`");
        let (left, action) = line.rsplit_once("=>").ok_or_else(form)?;
        let (field, pattern) = left.split_once(':').ok_or_else(form)?;
        let field = field.trim().to_ascii_lowercase();
        if field.is_empty() || !field.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(form());
        }
        // A pattern is an owner's, so its size is bounded as its time is.
        let pattern = RegexBuilder::new(pattern.trim())
            .case_insensitive(true)
            .size_limit(1 << 20)
            .build()
            .map_err(|error| format!("the pattern of {line:?} cannot be used: {error}"))?;
        Ok(HeaderMatch { field, pattern, action: action.trim().parse()? })
    }
}

impl PartialEq for HeaderMatch {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl fmt::Display for HeaderMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} => {}", self.field, self.pattern, self.action)
    }
}

/// The settings of a list, after the cascade.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// One line about the list.
    pub description: String,
    /// Put in front of each subject; changes a signed field.
    pub subject_prefix: String,
    /// Put below each post; changes the body.
    pub footer: String,
    /// Where replies are led.
    pub reply_to: ReplyTo,
    /// How much of each copy is its recipient's own.
    pub copies: Copies,
    /// What is done with a member's post.
    pub member_action: Action,
    /// What is done with anybody else's post.
    pub nonmember_action: Action,
    /// Nonmembers whose posts are accepted all the same.
    pub allowed_nonmembers: Vec<Address>,
    /// What it takes to join.
    pub subscribe_policy: Policy,
    /// What it takes to leave.
    pub unsubscribe_policy: Policy,
    /// How long a request waits for its confirmation.
    pub request_expiry: SignedDuration,
    /// New members get a welcome, and who has left a farewell.
    pub welcome: bool,
    /// The list is named to whoever asks for the lists of the domain.
    pub advertised: bool,
    /// Who may see who is on the list.
    pub roster_visibility: Visible,
    /// What it takes to believe a mail of somebody in charge.
    pub moderator_proof: Proof,
    /// When moderators hear of what is held.
    pub moderator_notices: Notices,
    /// The author of a held post is told.
    pub hold_notice: bool,
    /// Octets of the largest message; 0: the site's limit only.
    pub max_message_size: u64,
    /// How long a post is held.
    pub moderation_expiry: SignedDuration,
    /// Who may read the archive.
    pub archive: Archive,
    /// The bounce score at which a probe leaves; 0: never.
    pub bounce_threshold: u32,
    /// What a failure that may pass counts, in hundredths of one that will not.
    pub bounce_soft_weight: u32,
    /// How long a failure counts.
    pub bounce_fade: SignedDuration,
    /// How long a probe may take to come back.
    pub bounce_probe_wait: SignedDuration,
    /// How often a member is told that delivery is off.
    pub bounce_notices: u32,
    /// How long after the one before the next step comes.
    pub bounce_notice_interval: SignedDuration,
    /// After the last notice the member is removed.
    pub bounce_removal: bool,
    /// Per cent of the members; when so many bounce on one post it counts against nobody.
    pub bounce_brake_post: u32,
    /// Per cent of the members; when so many bounce at one relay on a day it counts against nobody.
    pub bounce_brake_relay: u32,
    /// The owners are told of each step.
    pub bounce_reports: bool,
    /// How many messages a day that no program can read go from the bounce address to the owners.
    pub bounce_unread: u32,
    /// What is done when a member complains to their provider.
    pub feedback_reports: Complaint,
    /// Posts say where complaints are to be sent (RFC 9477).
    pub feedback_address: bool,
    /// Hold a post that does not name the list in To or Cc.
    pub hold_implicit_destination: bool,
    /// Hold a post with more recipients in To and Cc than this; 0: no limit.
    pub max_recipients: u32,
    /// Hold every post.
    pub emergency: bool,
    /// Hold a post that is a command.
    pub hold_administrivia: bool,
    /// Header rules, in order.
    pub header_match: Vec<HeaderMatch>,
    /// The language of mail from us (BCP 47).
    pub language: String,
}

/// One key: what it means, and how it is read and written.
pub struct Key {
    /// Its name on the command line and in files.
    pub name: &'static str,
    /// What is built in.
    pub default: &'static str,
    /// What it means, for the owner.
    pub meaning: &'static str,
    set: fn(&mut Settings, &str) -> Result<(), String>,
    get: fn(&Settings) -> String,
}

macro_rules! key {
    ($name:literal = $default:literal, $field:ident: $read:expr, $write:expr, $meaning:literal) => {
        Key {
            name: $name,
            default: $default,
            meaning: $meaning,
            set: |settings, text| {
                settings.$field = $read(text)?;
                Ok(())
            },
            get: |settings| $write(&settings.$field),
        }
    };
}

/// Every key, in the order in which an owner meets them.
pub const KEYS: &[Key] = &[
    key!("description" = "", description: line::<200>, String::clone, "One line about the list, of at most 200 characters, for listings and the List-Id field."),
    key!("subject_prefix" = "", subject_prefix: line::<40>, String::clone, "Put in front of each subject, as \"[dev]\"; at most 40 characters. Breaks DKIM signatures that cover the subject: nearly all."),
    key!("footer" = "", footer: text, String::clone, "Put below each post that is not signed or encrypted. Breaks DKIM signatures. {{list}}, {{description}} and {{owner}} are replaced."),
    key!("reply_to" = "author", reply_to: word, display, "Where replies are led: author (nothing is changed) or list (Reply-To is set)."),
    key!("copies" = "personal", copies: word, display, "personal: each copy of a post has a return path and a List-Unsubscribe of its own. shared: all copies are the same, so that many can leave in one transaction where the relay makes the return paths (XVERP); their List-Unsubscribe names the plain leave address, and what bounces counts for less."),
    key!("member_action" = "accept", member_action: word, display, "What is done with a member's post: accept, hold, reject, discard."),
    key!("nonmember_action" = "hold", nonmember_action: word, display, "What is done with anybody else's post: accept, hold, reject, discard."),
    key!("allowed_nonmembers" = "", allowed_nonmembers: addresses, joined, "Addresses of nonmembers whose posts are accepted, separated by spaces."),
    key!("subscribe_policy" = "confirm", subscribe_policy: word, display, "What it takes to join by mail: open (the request is enough), confirm (its author answers a confirmation), moderate (a moderator decides), confirm+moderate."),
    key!("unsubscribe_policy" = "confirm", unsubscribe_policy: word, display, "What it takes to leave by mail: open (the request is enough, though it may be forged), confirm (unless a trusted host vouches for its author), moderate, confirm+moderate. The address in a member's own List-Unsubscribe is always enough."),
    key!("request_expiry" = "3d", request_expiry: duration, duration_text, "How long a request waits for its confirmation, as \"3d\"."),
    key!("welcome" = "on", welcome: switch, switch_text, "on: who has joined gets a welcome, and who has left a farewell."),
    key!("advertised" = "on", advertised: switch, switch_text, "on: the command `lists` names this list to whoever asks."),
    key!("roster_visibility" = "owners", roster_visibility: word, display, "Who may see who is on the list, by the command `who`: members or owners (and moderators)."),
    key!("moderator_proof" = "aligned", moderator_proof: word, display, "What it takes to believe a mail of an owner or moderator: aligned (a trusted host vouches for its author, or else one confirmation), confirm (always one confirmation), token (having the token is enough)."),
    key!("moderator_notices" = "each", moderator_notices: word, display, "When moderators hear of what is held: each (at once, and in the daily summary), daily (in the summary), off."),
    key!("hold_notice" = "on", hold_notice: switch, switch_text, "on: the author of a held post is told, and how to take it back."),
    key!("max_message_size" = "0", max_message_size: size, size_text, "The largest message, as \"500 KiB\"; a larger one is refused. 0: only the site's limit holds."),
    key!("moderation_expiry" = "14d", moderation_expiry: duration, duration_text, "How long a post is held before it lapses, as \"14d\". Then its author is told."),
    key!("archive" = "private", archive: word, display, "Who may read the archive: public, private, off. There is no archive yet."),
    key!("bounce_threshold" = "5", bounce_threshold: number, display, "The bounce score at which a member is sent a probe; only if that comes back, too, delivery is switched off. Each day on which mail to a member fails adds at most 1, and only if the fault is the recipient's. 0: nobody is ever scored."),
    key!("bounce_soft_weight" = "50", bounce_soft_weight: percent, display, "What a failure that may pass, as a full mailbox, adds to the score, in per cent of 1."),
    key!("bounce_fade" = "30d", bounce_fade: fade, duration_text, "How long a failure counts, as \"30d\"; at most 90d."),
    key!("bounce_probe_wait" = "10d", bounce_probe_wait: duration, duration_text, "A probe that has not come back after this time has arrived, and the score is cleared. Longer than mail servers keep trying."),
    key!("bounce_notices" = "3", bounce_notices: number, display, "How often a member whose delivery was switched off is told, the first time at once."),
    key!("bounce_notice_interval" = "7d", bounce_notice_interval: duration, duration_text, "The time between two notices, and between the last one and removal."),
    key!("bounce_removal" = "on", bounce_removal: switch, switch_text, "on: after the last notice the member is removed. off: delivery stays switched off."),
    key!("bounce_brake_post" = "20", bounce_brake_post: percent, display, "When so many per cent of the members, and 10 at least, bounce on one post, it is taken for the post's fault and counts against nobody. 0: no such brake."),
    key!("bounce_brake_relay" = "10", bounce_brake_relay: percent, display, "When so many per cent of the members, and 10 at least, bounce at one relay on a day, it is taken for the relay's fault and counts against nobody. A dead domain is no relay. 0: no such brake."),
    key!("bounce_reports" = "on", bounce_reports: switch, switch_text, "on: the owners are told whose delivery was switched off and why, and which posts were refused, in a few letters a day."),
    key!("bounce_unread" = "5", bounce_unread: number, display, "How many messages a day to the bounce address that no program can read are passed on to the owners."),
    key!("feedback_reports" = "flag", feedback_reports: word, display, "What is done when a member's provider reports a complaint: flag (it is noted and the owners are told), leave (the member is removed and the owners are told), off. Once for each member."),
    key!("feedback_address" = "off", feedback_address: switch, switch_text, "on: each post says where complaints about it are to be sent (CFBL-Address, RFC 9477). For sites whose mail server signs these fields with DKIM."),
    key!("implicit_destination" = "hold", hold_implicit_destination: hold, hold_text, "A post that does not name the list in To or Cc: hold or accept."),
    key!("max_recipients" = "0", max_recipients: number, display, "Hold a post with more addresses than this in To and Cc. 0: no limit."),
    key!("emergency" = "off", emergency: switch, switch_text, "on: every post is held, whoever wrote it."),
    key!("administrivia" = "hold", hold_administrivia: hold, hold_text, "A command (\"unsubscribe\") that was sent to the list by mistake: hold or accept."),
    key!("header_match" = "", header_match: header_matches, lines, "Rules on header fields, one a line: `X-Spam-Flag: ^yes => hold`. The first that matches decides."),
    key!("language" = "en", language: language, String::clone, "The language of mail from us: en, de, fr, es, ja. A member may choose another; what is missing in a language is in English."),
];

/// A setting that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("setting {key:?}: {reason}")]
pub struct SettingError {
    /// The key.
    pub key: String,
    /// What is wrong.
    pub reason: String,
}

impl Settings {
    /// Sets one key from its text form.
    ///
    /// # Errors
    /// The key is not known, or the value is not one of its values.
    pub fn set(&mut self, key: &str, text: &str) -> Result<(), SettingError> {
        let wrong = |reason: String| SettingError { key: key.to_owned(), reason };
        let found = KEYS.iter().find(|known| known.name == key);
        let found = found.ok_or_else(|| wrong(format!("there is no such setting; there are {}", names())))?;
        (found.set)(self, text).map_err(wrong)
    }

    /// The text form of one key's value; none when there is no such key.
    pub fn get(&self, key: &str) -> Option<String> {
        KEYS.iter().find(|known| known.name == key).map(|known| (known.get)(self))
    }
}

/// Checks one key and its value.
///
/// # Errors
/// The key is not known, or the value is not one of its values.
pub fn check(key: &str, text: &str) -> Result<(), SettingError> {
    Settings::default().set(key, text)
}

fn names() -> String {
    KEYS.iter().map(|key| key.name).collect::<Vec<_>>().join(", ")
}

impl Default for Settings {
    fn default() -> Self {
        let mut settings = Settings {
            description: String::new(),
            subject_prefix: String::new(),
            footer: String::new(),
            reply_to: ReplyTo::Author,
            copies: Copies::Personal,
            member_action: Action::Accept,
            nonmember_action: Action::Hold,
            allowed_nonmembers: Vec::new(),
            subscribe_policy: Policy::Confirm,
            unsubscribe_policy: Policy::Confirm,
            request_expiry: SignedDuration::ZERO,
            welcome: true,
            advertised: true,
            roster_visibility: Visible::Owners,
            moderator_proof: Proof::Aligned,
            moderator_notices: Notices::Each,
            hold_notice: true,
            max_message_size: 0,
            moderation_expiry: SignedDuration::ZERO,
            archive: Archive::Private,
            bounce_threshold: 0,
            bounce_soft_weight: 0,
            bounce_fade: SignedDuration::ZERO,
            bounce_probe_wait: SignedDuration::ZERO,
            bounce_notices: 0,
            bounce_notice_interval: SignedDuration::ZERO,
            bounce_removal: true,
            bounce_brake_post: 0,
            bounce_brake_relay: 0,
            bounce_reports: true,
            bounce_unread: 0,
            feedback_reports: Complaint::Flag,
            feedback_address: false,
            hold_implicit_destination: true,
            max_recipients: 0,
            emergency: false,
            hold_administrivia: true,
            header_match: Vec::new(),
            language: String::new(),
        };
        for key in KEYS {
            (key.set)(&mut settings, key.default)
                .expect("each built-in default is one of its key's values: a unit test says so");
        }
        settings
    }
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Built in.
    BuiltIn,
    /// The site file's `[defaults]`.
    Site,
    /// The site file's `[domain."…"]`.
    Domain,
    /// The list's owners.
    List,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Origin::BuiltIn => "built-in",
            Origin::Site => "site",
            Origin::Domain => "domain",
            Origin::List => "list",
        })
    }
}

/// What the site file says for all lists and for each domain; a list's own settings come on top.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cascade {
    /// For all lists.
    pub site: BTreeMap<String, String>,
    /// For the lists of a domain.
    pub domains: BTreeMap<String, BTreeMap<String, String>>,
}

impl Cascade {
    /// What holds for this list.
    ///
    /// # Errors
    /// A value that is not (or no longer) one of its key's values.
    pub fn resolve(&self, list: &ListAddress, own: &BTreeMap<String, String>) -> Result<Settings, SettingError> {
        let mut settings = Settings::default();
        for layer in [Some(&self.site), self.domains.get(list.domain()), Some(own)].into_iter().flatten() {
            for (key, text) in layer {
                settings.set(key, text)?;
            }
        }
        Ok(settings)
    }

    /// Where the value of `key` comes from for this list.
    pub fn origin(&self, list: &ListAddress, own: &BTreeMap<String, String>, key: &str) -> Origin {
        if own.contains_key(key) {
            Origin::List
        } else if self.domains.get(list.domain()).is_some_and(|domain| domain.contains_key(key)) {
            Origin::Domain
        } else if self.site.contains_key(key) {
            Origin::Site
        } else {
            Origin::BuiltIn
        }
    }
}

/// Octets from "25 MiB", "500 KiB", "4096".
///
/// # Errors
/// The text is not a number with one of these units.
pub fn size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let factor = match text[end..].trim() {
        "" | "B" => Some(1_u64),
        "KiB" => Some(1 << 10),
        "MiB" => Some(1 << 20),
        "GiB" => Some(1 << 30),
        _ => None,
    };
    let number = text[..end].parse::<u64>().ok();
    let octets = number.zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
    octets.ok_or_else(|| format!("{text:?} is not a size, as \"25 MiB\", \"500 KiB\" or \"4096\""))
}

/// A length of time from "14d", "5 minutes", "1h 30m"; a day has 24 hours.
///
/// # Errors
/// The text is not a length of time, or it is negative.
pub fn duration(text: &str) -> Result<SignedDuration, String> {
    let wrong = || format!("{text:?} is not a length of time, as \"14d\", \"12h\" or \"5 minutes\"");
    let span: jiff::Span = text.parse().map_err(|_| wrong())?;
    let marker = jiff::SpanRelativeTo::days_are_24_hours();
    let duration = span.to_duration(marker).map_err(|_| wrong())?;
    if duration.is_negative() { Err(wrong()) } else { Ok(duration) }
}

fn size_text(octets: &u64) -> String {
    [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")]
        .into_iter()
        .find(|(unit, _)| *octets > 0 && octets.is_multiple_of(*unit))
        .map_or_else(|| octets.to_string(), |(unit, name)| format!("{} {name}", octets / unit))
}

fn duration_text(duration: &SignedDuration) -> String {
    let seconds = duration.as_secs();
    if seconds % 86_400 == 0 { format!("{}d", seconds / 86_400) } else { format!("{seconds}s") }
}

fn word<T: FromStr<Err = String>>(text: &str) -> Result<T, String> {
    text.trim().parse()
}

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.trim().parse().map_err(|_| format!("{text:?} is not a number of this size"))
}

fn percent(text: &str) -> Result<u32, String> {
    number(text).ok().filter(|percent| *percent <= 100).ok_or_else(|| format!("{text:?} is not a number from 0 to 100"))
}

/// Tallies of posts and relays are kept a little longer ([`BounceTally::KEPT`](crate::BounceTally::KEPT)).
fn fade(text: &str) -> Result<SignedDuration, String> {
    let fade = duration(text)?;
    if fade <= SignedDuration::from_hours(90 * 24) { Ok(fade) } else { Err(format!("{text:?} is more than 90d")) }
}

fn display<T: ToString>(value: &T) -> String {
    value.to_string()
}

/// One line of at most `MAX` characters: it goes into the header section of each post.
fn line<const MAX: usize>(text: &str) -> Result<String, String> {
    if text.chars().any(char::is_control) {
        return Err("it must be one line without control characters".to_owned());
    }
    if let Some(odd) = text.chars().find(|c| leads_the_eye(*c)) {
        return Err(format!("it has U+{:04X}, which is not seen and changes how the text is shown", u32::from(odd)));
    }
    let (text, count) = (text.trim(), text.trim().chars().count());
    if count > MAX {
        return Err(format!("it has {count} characters; at most {MAX} are allowed"));
    }
    Ok(text.to_owned())
}

/// Line and paragraph separators, what turns the direction of the text around it, and other controls that no script needs
/// within a line. Joiners and the marks U+200E and U+200F stay: Persian, Hebrew and emoji are written with them.
fn leads_the_eye(c: char) -> bool {
    matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

fn text(text: &str) -> Result<String, String> {
    Ok(text.trim_end().replace("\r\n", "\n"))
}

fn language(text: &str) -> Result<String, String> {
    let good =
        !text.is_empty() && text.len() <= 35 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if good { Ok(text.to_owned()) } else { Err(format!("{text:?} is not a language tag, as \"en\" or \"pt-BR\"")) }
}

fn addresses(text: &str) -> Result<Vec<Address>, String> {
    let words = text.split([' ', ',', '\n', '\t']).filter(|word| !word.is_empty());
    words.map(|word| word.parse().map_err(|error: crate::AddressError| error.to_string())).collect()
}

fn joined(addresses: &[Address]) -> String {
    addresses.iter().map(Address::as_str).collect::<Vec<_>>().join(" ")
}

fn header_matches(text: &str) -> Result<Vec<HeaderMatch>, String> {
    text.lines().filter(|line| !line.trim().is_empty()).map(str::parse).collect()
}

fn lines(rules: &[HeaderMatch]) -> String {
    rules.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn switch(text: &str) -> Result<bool, String> {
    Ok(matches!(word(text)?, Switch::On))
}

fn switch_text(on: &bool) -> String {
    if *on { Switch::On } else { Switch::Off }.to_string()
}

fn hold(text: &str) -> Result<bool, String> {
    Ok(matches!(word(text)?, HoldOrAccept::Hold))
}

fn hold_text(hold: &bool) -> String {
    if *hold { HoldOrAccept::Hold } else { HoldOrAccept::Accept }.to_string()
}

impl Serialize for Settings {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(KEYS.iter().map(|key| (key.name, (key.get)(self))))
    }
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut settings = Settings::default();
        for (key, text) in BTreeMap::<String, String>::deserialize(from)? {
            settings.set(&key, &text).map_err(serde::de::Error::custom)?;
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_default_is_a_value_of_its_key_and_comes_back_as_it_is() {
        let settings = Settings::default();
        for key in KEYS {
            assert_eq!(settings.get(key.name).as_deref(), Some(key.default), "{}", key.name);
            assert!(!key.meaning.is_empty());
        }
    }

    #[test]
    fn a_wrong_key_or_value_is_named() {
        let error = check("colour", "red").unwrap_err();
        assert!(error.to_string().contains("\"colour\"") && error.to_string().contains("member_action"), "{error}");
        for (key, value) in [
            ("member_action", "maybe"),
            ("max_message_size", "25 MB"),
            ("moderation_expiry", "soon"),
            ("moderation_expiry", "-1d"),
            ("emergency", "yes"),
            ("subject_prefix", "a\r\nBcc: x@y.org"),
            ("allowed_nonmembers", "bob"),
            ("header_match", "X-Spam"),
            ("header_match", "X: (( => hold"),
            ("language", ""),
            ("bounce_soft_weight", "101"),
            ("bounce_fade", "91d"),
            ("feedback_reports", "on"),
        ] {
            assert!(check(key, value).is_err(), "{key}={value}");
        }
    }

    #[test]
    fn what_goes_into_headers_is_short_and_seen() {
        for (key, most) in [("description", 200), ("subject_prefix", 40)] {
            assert_eq!(check(key, &format!(" {} ", "ü".repeat(most))), Ok(()), "{key}");
            let error = check(key, &"ü".repeat(most + 1)).unwrap_err();
            assert!(error.to_string().contains(&format!("at most {most}")), "{error}");
            for odd in "\u{2028}\u{2029}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}\u{feff}\u{85}\u{7f}".chars() {
                assert!(check(key, &format!("a{odd}b")).is_err(), "{key} {odd:?}");
            }
            assert_eq!(check(key, "\u{6cc}\u{200c}\u{6a9} \u{200f}\u{5d0}"), Ok(()), "{key}: joiners and marks");
        }
    }

    #[test]
    fn sizes_and_lengths_of_time_have_units() {
        assert_eq!(size("25 MiB"), Ok(25 << 20));
        assert_eq!(size_text(&(25 << 20)), "25 MiB");
        assert_eq!(
            size("99999999999 GiB"),
            Err("\"99999999999 GiB\" is not a size, as \"25 MiB\", \"500 KiB\" or \"4096\"".to_owned())
        );
        assert_eq!(duration("36h").unwrap().as_hours(), 36);
        assert_eq!(duration("2w").unwrap().as_hours(), 14 * 24);
    }

    #[test]
    fn the_nearest_layer_wins() {
        let list: ListAddress = "dev@lists.example.org".parse().unwrap();
        let layer = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<BTreeMap<_, _>>()
        };
        let cascade = Cascade {
            site: layer(&[("archive", "off"), ("language", "de")]),
            domains: [("lists.example.org".to_owned(), layer(&[("language", "fr"), ("reply_to", "list")]))].into(),
        };
        let own = layer(&[("reply_to", "author")]);
        let settings = cascade.resolve(&list, &own).unwrap();
        assert_eq!(
            (settings.archive, settings.language.as_str(), settings.reply_to),
            (Archive::Off, "fr", ReplyTo::Author)
        );
        let origins = ["member_action", "archive", "language", "reply_to"].map(|key| cascade.origin(&list, &own, key));
        assert_eq!(origins, [Origin::BuiltIn, Origin::Site, Origin::Domain, Origin::List]);
    }

    #[test]
    fn settings_survive_json() {
        let mut settings = Settings::default();
        settings.set("header_match", "X-Spam-Flag: ^yes => discard\nList-Id: . => hold").unwrap();
        settings.set("max_message_size", "500 KiB").unwrap();
        let json = serde_json::to_string(&settings).unwrap();
        assert_eq!(serde_json::from_str::<Settings>(&json).unwrap(), settings);
    }
}
