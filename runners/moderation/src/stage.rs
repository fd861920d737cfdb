//! The stage itself: it walks the chain and says what follows.

use listmill_core::{
    Address, Context, Destination, Disposition, HeldPost, List, Settings, Stage, StoreView, Timestamp, Unavailable,
    after_hold, destination,
};
use listmill_letters::Letters;
use listmill_mail::message::Message;
use listmill_queue_format::{Digest, Entry, Queue, RuleHit};

use crate::chain::{Verdict, judge};
use crate::notice::Rejection;
use crate::post::Post;

/// What the site says about moderation.
#[derive(Debug, Default)]
pub struct ModerationConfig {
    /// The notices, and what a day allows of them.
    pub letters: Letters,
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

    /// The rejection, with what tells the author of it.
    fn rejected(
        &self,
        post: &Post<'_>,
        list: Option<&List>,
        tell_author: bool,
        hits: &[RuleHit],
        (view, cx): (&dyn StoreView, Context),
    ) -> Result<Vec<Disposition>, Unavailable> {
        let told = match list {
            _ if !tell_author => Err("it would be backscatter".to_owned()),
            None => Err("the post is not for a list".to_owned()),
            Some(list) => {
                // The rule that decided; what was collected before it is for moderators.
                let reason = hits.last().map(|hit| hit.reason.as_str()).unwrap_or_default();
                let (entry, message, member) = (post.entry, post.message, post.member);
                Rejection { entry, message, list, member, reason }.notice(&self.config.letters, view, cx)?
            }
        };
        Ok(match told {
            Ok((notice, counted)) => {
                let rejected = Disposition::Reject { reason: in_words(hits), notice: Some(notice) };
                vec![rejected, Disposition::Change(counted)]
            }
            Err(why) => {
                vec![Disposition::Reject { reason: format!("{}; no notice: {why}", in_words(hits)), notice: None }]
            }
        })
    }
}

impl Stage for Moderation {
    const READS: Queue = Queue::Moderation;
    const WRITES: &'static [Queue] = &[Queue::Pending, Queue::Outbound, Queue::Command];

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
        Ok(match (verdict, &destination) {
            (Verdict::Discard, _) => vec![Disposition::Discard { reason: in_words(&hits) }],
            (Verdict::Reject { tell_author }, _) => self.rejected(&post, list, tell_author, &hits, (view, cx))?,
            (Verdict::Hold, Destination::List(list)) => {
                vec![Disposition::Hold { post: held(&post, list, hits, cx.now) }, to_be_told(entry)]
            }
            (Verdict::Accept | Verdict::Hold, _) => vec![accepted(entry, hits)],
        })
    }
}

/// Has people told of the hold.
fn to_be_told(entry: &Entry) -> Disposition {
    let note = after_hold(entry, Moderation::READS.name(), 0, entry.id);
    Disposition::Forward { entry: note, reason: "to tell who decides, and the author".to_owned() }
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
        away: None,
    }
}

fn in_words(hits: &[RuleHit]) -> String {
    hits.iter().map(|hit| format!("{}: {}", hit.rule, hit.reason)).collect::<Vec<_>>().join("; ")
}
