//! The stage itself: it walks the chain and says what follows.

use listmill_core::{
    Address, Context, Destination, Disposition, HeldPost, List, Settings, Stage, StoreView, Timestamp, Unavailable,
    destination,
};
use listmill_mail::message::Message;
use listmill_queue_format::{Digest, Entry, Queue, RuleHit};
use listmill_templates::Templates;

use crate::chain::{Verdict, judge};
use crate::notice::{Rejection, silence};
use crate::post::Post;

/// What the site says about moderation.
#[derive(Debug, Default)]
pub struct ModerationConfig {
    /// The words of the notices.
    pub templates: Templates,
}

/// The moderation stage.
#[derive(Debug)]
pub struct Moderation {
    config: ModerationConfig,
}

impl Moderation {
    /// A stage for this site.
    pub fn new(config: ModerationConfig) -> Self {
        Moderation { config }
    }

    fn rejected(
        &self,
        post: &Post<'_>,
        list: Option<&List>,
        tell_author: bool,
        hits: &[RuleHit],
        cx: Context,
    ) -> Disposition {
        let told =
            if tell_author { self.notice(post, list, hits, cx) } else { Err("it would be backscatter".to_owned()) };
        match told {
            Ok(notice) => Disposition::Reject { reason: in_words(hits), notice: Some(notice) },
            Err(why) => Disposition::Reject { reason: format!("{}; no notice: {why}", in_words(hits)), notice: None },
        }
    }

    fn notice(&self, post: &Post<'_>, list: Option<&List>, hits: &[RuleHit], cx: Context) -> Result<Entry, String> {
        let list = list.ok_or("the post is not for a list")?;
        // The rule that decided; what was collected before it is for moderators.
        let reason = hits.last().map(|hit| hit.reason.as_str()).unwrap_or_default();
        self.rejection(post.entry, list, reason, cx)
    }

    /// The notice that tells the author of `entry` why it is rejected, whoever decided that. Control characters in `reason`
    /// other than line ends and tabs are left out.
    ///
    /// # Errors
    /// Why nobody is told: the author is in doubt, it is automatic mail, or a notice could reach somebody else.
    pub fn rejection(&self, entry: &Entry, list: &List, reason: &str, cx: Context) -> Result<Entry, String> {
        let author = entry.facts.author.as_ref().and_then(|author| author.address.parse::<Address>().ok());
        let author = author.ok_or("the author is in doubt")?;
        let message = Message::parse(&entry.message);
        if let Some(why) = silence(entry, &message, &author) {
            return Err(why);
        }
        // A rule's reason may quote the post; in a terminal a control character can do anything.
        let reason: String = reason.chars().filter(|c| !c.is_control() || ['\n', '\t'].contains(c)).collect();
        Rejection { entry, message: &message, list, author: &author, reason: &reason }
            .notice(&self.config.templates, cx)
    }
}

impl Stage for Moderation {
    const READS: Queue = Queue::Moderation;
    const WRITES: &'static [Queue] = &[Queue::Pending, Queue::Outbound];

    fn decide(&self, entry: &Entry, view: &dyn StoreView, cx: Context) -> Result<Vec<Disposition>, Unavailable> {
        let destination = match destination(entry, view)? {
            Ok(destination) => destination,
            Err(undecidable) => return Ok(vec![undecidable]),
        };
        let list = destination.list();
        let message = Message::parse(&entry.message);
        let author = entry.facts.author.as_ref().and_then(|author| author.address.parse::<Address>().ok());
        let member = match (list, &author) {
            (Some(list), Some(author)) => view.member(&list.address, author)?,
            _ => None,
        };
        let built_in = Settings::default();
        let post = Post {
            entry,
            message: &message,
            list: list.map(|list| &list.address),
            settings: list.map_or(&built_in, |list| &list.settings),
            author: author.as_ref(),
            member: member.as_ref(),
        };
        let (verdict, hits) = judge(&post);
        Ok(vec![match (verdict, &destination) {
            (Verdict::Discard, _) => Disposition::Discard { reason: in_words(&hits) },
            (Verdict::Reject { tell_author }, _) => self.rejected(&post, list, tell_author, &hits, cx),
            (Verdict::Hold, Destination::List(list)) => Disposition::Hold { post: held(&post, list, hits, cx.now) },
            (Verdict::Accept | Verdict::Hold, _) => accepted(entry, hits),
        }])
    }
}

fn accepted(entry: &Entry, hits: Vec<RuleHit>) -> Disposition {
    let reason = if hits.is_empty() { "no rule hit".to_owned() } else { in_words(&hits) };
    let mut forwarded = entry.derive(Moderation::READS.name(), 0, Queue::Pending);
    forwarded.facts.rules = hits;
    Disposition::Forward { entry: forwarded, reason }
}

/// The post as a moderator sees it in a listing.
fn held(post: &Post<'_>, list: &List, reasons: Vec<RuleHit>, now: Timestamp) -> HeldPost {
    let lapses = now.checked_add(list.settings.moderation_expiry);
    HeldPost {
        id: 0,
        list: list.address.clone(),
        entry: post.entry.id,
        author: post.author.map_or_else(|| "unknown".to_owned(), Address::to_string),
        subject: post.message.subject(),
        message_id: post.message.message_id(),
        size: post.entry.message.len() as u64,
        reasons,
        since: now,
        expires: lapses.unwrap_or(Timestamp::MAX),
        sha256: Digest::of(&post.entry.message).to_string(),
        asks: None,
    }
}

fn in_words(hits: &[RuleHit]) -> String {
    hits.iter().map(|hit| format!("{}: {}", hit.rule, hit.reason)).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use listmill_queue_format::{Author, EntryId, Envelope};

    use super::*;

    #[test]
    fn a_reason_brings_no_control_character_into_the_notice() {
        let list = List {
            address: "dev@lists.example.org".parse().unwrap(),
            created: Timestamp::UNIX_EPOCH,
            own: Default::default(),
            settings: Settings::default(),
        };
        let now = Timestamp::UNIX_EPOCH;
        let envelope = Envelope { sender: "bob@example.net".to_owned(), ..Envelope::default() };
        let post = b"From: bob@example.net\r\nSubject: x\r\n\r\nx\r\n";
        let mut entry = Entry::arrived(EntryId::fresh(now, [1; 10]), now, envelope, post.to_vec().into());
        entry.facts.author =
            Some(Author { address: "bob@example.net".to_owned(), name: String::new(), other: Default::default() });
        let stage = Moderation::new(ModerationConfig::default());
        let told = |reason: &str| {
            let notice = stage.rejection(&entry, &list, reason, Context { now, seed: 1 }).unwrap();
            String::from_utf8(notice.message.to_vec()).unwrap()
        };
        let text = told("Not\tthis\u{1b}[2J,\nplease\r\u{7}\u{9b}.");
        assert!(text.contains("Not\tthis[2J,\r\n") && text.contains("please."), "{text}");
        assert!(text.replace("\r\n", "").chars().all(|c| c == '\t' || !c.is_control()), "{text:?}");
    }
}
