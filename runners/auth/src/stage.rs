//! The stage itself: it establishes who wrote a message, and decides nothing about them.

use listmill_core::{Context, Disposition, Stage, StoreView, Unavailable, Word, destination};
use listmill_mail::author::{Authorship, author};
use listmill_mail::authres::authentication_results;
use listmill_mail::limits::excess;
use listmill_mail::loops::looping;
use listmill_mail::message::Message;
use listmill_queue_format::{Entry, Facts, Queue};

use crate::bans::banned;

/// The fact that the ban list hits: `facts.banned`, a sentence for those who run the list.
const BANNED: &str = "banned";

/// What the site file says about authentication.
#[derive(Debug, Clone, Default)]
pub struct AuthConfig {
    /// Whose Authentication-Results fields are believed (RFC 8601 §1.2); nobody else's become facts.
    pub trusted_authserv_ids: Vec<String>,
}

/// The auth stage.
///
/// Who cannot be named without doubt is not refused here: moderation holds the post, so that a person decides.
#[derive(Debug)]
pub struct Auth {
    config: AuthConfig,
}

impl Auth {
    /// A stage for this site.
    pub fn new(config: AuthConfig) -> Self {
        Auth { config }
    }

    /// The facts with the answers of this stage, whatever the writer of the entry put into their places.
    fn establish(&self, facts: &Facts, message: &Message<'_>, banned: Option<String>) -> Facts {
        let mut facts = facts.clone();
        (facts.author, facts.author_doubt) = match author(message) {
            Authorship::Known(author) => (Some(author), None),
            Authorship::Doubt(doubt) => (None, Some(doubt)),
        };
        facts.authentication = authentication_results(message, &self.config.trusted_authserv_ids);
        facts.other.shift_remove(BANNED);
        if let Some(reason) = banned {
            facts.other.insert(BANNED.to_owned(), reason.into());
        }
        facts
    }
}

impl Stage for Auth {
    const READS: Queue = Queue::Auth;
    const WRITES: &'static [Queue] = &[Queue::Moderation];

    fn decide(&self, entry: &Entry, view: &dyn StoreView, _: Context) -> Result<Vec<Disposition>, Unavailable> {
        let destination = match destination(entry, view)? {
            Ok(destination) => destination,
            Err(undecidable) => return Ok(vec![undecidable]),
        };
        let list = destination.list().map(|list| &list.address);
        // Once more, behind inbound: a foreign intake may have written this entry without looking.
        let refuse = |reason: String| Ok(vec![Disposition::Reject { reason, notice: None }]);
        if let Some(reason) = excess(&entry.message) {
            return refuse(format!("5.6.0 {reason}"));
        }
        let message = Message::parse(&entry.message);
        let word = entry.facts.subaddress.as_ref().and_then(|subaddress| Word::named(&subaddress.word));
        if let Some(reason) = looping(&message, list, word) {
            return refuse(format!("5.4.6 {reason}"));
        }
        let banned = banned(&message, &entry.envelope.sender, list, view)?;
        let mut forwarded = entry.derive(Auth::READS.name(), 0, Queue::Moderation);
        forwarded.facts = self.establish(&entry.facts, &message, banned);
        let reason = summary(&forwarded.facts);
        Ok(vec![Disposition::Forward { entry: forwarded, reason }])
    }
}

fn summary(facts: &Facts) -> String {
    match (&facts.author, &facts.author_doubt) {
        (Some(author), _) => format!("from {}", author.address),
        (None, Some(doubt)) => format!("the author is in doubt: {doubt}"),
        (None, None) => "the author is not known".to_owned(),
    }
}
