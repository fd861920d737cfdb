//! The stage itself: it walks the chain and says what follows.

use listmill_core::{
    Address, Context, Destination, Disposition, HeldPost, List, Settings, Stage, StoreView, Timestamp, Unavailable,
    destination,
};
use listmill_mail::message::Message;
use listmill_queue_format::{Entry, Queue, RuleHit};
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

    /// The notice that tells the author of `entry` why it is rejected, whoever decided that.
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
        Rejection { entry, message: &message, list, author: &author, reason }.notice(&self.config.templates, cx)
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
    }
}

fn in_words(hits: &[RuleHit]) -> String {
    hits.iter().map(|hit| format!("{}: {}", hit.rule, hit.reason)).collect::<Vec<_>>().join("; ")
}
