//! The stages as one case's site file makes them, called by name.

use listmill_auth::{Auth, AuthConfig};
use listmill_bounce::{Bounce, BounceConfig};
use listmill_command::{Command, CommandConfig};
use listmill_core::{Address, Allowance, Context, Disposition, Stage, StoreView};
use listmill_inbound::{Inbound, InboundConfig};
use listmill_letters::{Budget, Letters};
use listmill_moderation::{Moderation, ModerationConfig};
use listmill_pending::{Pending, PendingConfig};
use listmill_queue_format::{Entry, Queue};
use serde::Deserialize;

/// What a case's `context.toml` says about the site.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Site {
    pub(crate) domains: Vec<String>,
    pub(crate) admins: Vec<Address>,
    pub(crate) max_message_size: u64,
    pub(crate) trusted_authserv_ids: Vec<String>,
    pub(crate) chunk: usize,
    /// Letters that a day allows on the word of a message that may be forged.
    pub(crate) letters: Allowance,
    /// Letters that a day allows on the word of a message that a trusted host vouches for.
    pub(crate) letters_known: Allowance,
}

impl Default for Site {
    fn default() -> Self {
        Site {
            domains: vec!["lists.example.org".to_owned()],
            admins: vec!["root@example.org".parse().expect("it is an address")],
            max_message_size: 0,
            trusted_authserv_ids: vec!["mx.example.org".to_owned()],
            chunk: 500,
            letters: Budget::default().stranger,
            letters_known: Budget::default().known,
        }
    }
}

impl Site {
    /// What the stage that reads `entry.queue` decides. Decided twice: a stage that is pure says the same both times; and
    /// it writes no queue that it does not name.
    pub(crate) fn decide(&self, entry: &Entry, view: &dyn StoreView, cx: Context) -> Vec<Disposition> {
        match entry.queue {
            Queue::Inbound => twice(|| Inbound::new(self.inbound()), entry, view, cx),
            Queue::Auth => twice(|| Auth::new(self.auth()), entry, view, cx),
            Queue::Moderation => twice(|| Moderation::new(ModerationConfig::default()), entry, view, cx),
            Queue::Pending => twice(|| Pending::new(self.pending()), entry, view, cx),
            Queue::Bounce => twice(|| Bounce::new(BounceConfig { letters: self.letters() }), entry, view, cx),
            Queue::Command => twice(|| Command::new(self.command()), entry, view, cx),
            queue => panic!("no stage of this suite reads {queue}"),
        }
    }

    fn inbound(&self) -> InboundConfig {
        InboundConfig { domains: self.domains.clone(), max_message_size: self.max_message_size }
    }

    fn auth(&self) -> AuthConfig {
        AuthConfig { trusted_authserv_ids: self.trusted_authserv_ids.clone() }
    }

    fn command(&self) -> CommandConfig {
        CommandConfig { trusted_authserv_ids: self.trusted_authserv_ids.clone(), letters: self.letters() }
    }

    fn letters(&self) -> Letters {
        Letters { budget: Budget { stranger: self.letters, known: self.letters_known }, ..Letters::default() }
    }

    fn pending(&self) -> PendingConfig {
        PendingConfig {
            chunk: self.chunk,
            admins: self.admins.clone(),
            domains: self.domains.clone(),
            letters: self.letters(),
        }
    }
}

fn twice<S: Stage>(make: impl Fn() -> S, entry: &Entry, view: &dyn StoreView, cx: Context) -> Vec<Disposition> {
    assert_eq!(entry.queue, S::READS);
    let once = make().decide(entry, view, cx).expect("the view of a case can be read");
    let again = make().decide(entry, view, cx).expect("the view of a case can be read");
    assert_eq!(once, again, "a stage decides the same twice");
    for written in once.iter().filter_map(written) {
        assert!(S::WRITES.contains(&written.queue), "{} writes {}", S::READS, written.queue);
        assert_ne!(written.id, entry.id, "an outgoing entry has its own identity");
    }
    once
}

/// The entry that a disposition writes, if it writes one.
pub(crate) fn written(disposition: &Disposition) -> Option<&Entry> {
    match disposition {
        Disposition::Forward { entry, .. } | Disposition::Notify { entry, .. } => Some(entry),
        Disposition::Reject { notice, .. } => notice.as_ref(),
        _ => None,
    }
}
