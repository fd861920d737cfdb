//! The stage itself: one envelope recipient after the other.

use listmill_core::{Context, Disposition, POSTMASTER, Stage, StoreView, Unavailable, Word};
use listmill_mail::limits::excess;
use listmill_mail::loops::looping;
use listmill_mail::message::Message;
use listmill_queue_format::{Entry, Facts, Queue, Subaddress};

use crate::Route;

/// What the site file says about intake.
#[derive(Debug, Clone, Default)]
pub struct InboundConfig {
    /// The site's domains: `postmaster@` and `abuse@` each of them reach the site admins.
    pub domains: Vec<String>,
    /// Octets of the largest message; 0: no limit. A list may lower it for its posts.
    pub max_message_size: u64,
}

/// The inbound stage.
///
/// It gives **one disposition per envelope recipient, in their order**: forward, discard (the same address once more), or reject,
/// whose reason begins with an enhanced status code (RFC 3463) that the intake puts into its reply. It never makes a notice: who
/// claims to have sent the message is not known yet, and so an answer would be backscatter.
#[derive(Debug)]
pub struct Inbound {
    config: InboundConfig,
}

impl Inbound {
    /// A stage for this site.
    pub fn new(config: InboundConfig) -> Self {
        Inbound { config }
    }

    /// What this envelope recipient stands for.
    ///
    /// # Errors
    /// [`Unavailable`] when the view cannot be read now.
    pub fn route(&self, recipient: &str, view: &dyn StoreView) -> Result<Route, Unavailable> {
        Route::find(recipient, &self.config.domains, view)
    }

    /// Octets of the largest message that is taken on this route; 0: no limit.
    pub fn max_size(&self, route: &Route) -> u64 {
        match (self.config.max_message_size, route.max_size()) {
            (0, limit) | (limit, 0) => limit,
            (site, list) => site.min(list),
        }
    }

    fn settle(
        &self,
        entry: &Entry,
        message: &Message<'_>,
        ordinal: u32,
        recipient: &str,
        route: &Route,
    ) -> Disposition {
        let refuse = |reason: String| Disposition::Reject { reason, notice: None };
        let Some(queue) = route.queue() else {
            return refuse(match route {
                Route::Invalid(error) => format!("5.1.3 {error}"),
                _ => format!("5.1.1 no list has the address {recipient}"),
            });
        };
        let (size, limit) = (entry.message.len() as u64, self.max_size(route));
        if limit > 0 && size > limit {
            return refuse(format!("5.3.4 the message has {size} octets, {recipient} takes {limit}"));
        }
        if let Some(reason) = circling(message, route) {
            return refuse(format!("5.4.6 {reason}"));
        }
        let forwarded = forwarded(entry, ordinal, queue, recipient, route);
        Disposition::Forward { entry: forwarded, reason: meaning(route) }
    }
}

impl Stage for Inbound {
    const READS: Queue = Queue::Inbound;
    const WRITES: &'static [Queue] = &[Queue::Auth, Queue::Bounce, Queue::Command];

    fn decide(&self, entry: &Entry, view: &dyn StoreView, _: Context) -> Result<Vec<Disposition>, Unavailable> {
        if entry.envelope.recipients.is_empty() {
            return Ok(vec![Disposition::Shunt { reason: "the envelope has no recipient".to_owned() }]);
        }
        // Before anything keeps its fields, and for every recipient: whatever reads it would take many times its size.
        if let Some(reason) = excess(&entry.message) {
            let refusal = Disposition::Reject { reason: format!("5.6.0 {reason}"), notice: None };
            return Ok(vec![refusal; entry.envelope.recipients.len()]);
        }
        let message = Message::parse(&entry.message);
        let mut routes: Vec<Route> = Vec::new();
        let mut dispositions = Vec::new();
        for (ordinal, recipient) in (0..).zip(&entry.envelope.recipients) {
            let route = self.route(recipient, view)?;
            dispositions.push(if routes.iter().any(|before| before.leads_where(&route)) {
                Disposition::Discard { reason: format!("{recipient} names the same address once more") }
            } else {
                self.settle(entry, &message, ordinal, recipient, &route)
            });
            routes.push(route);
        }
        Ok(dispositions)
    }
}

/// Why this message goes in circles. A bounce may carry the header fields of the post that failed, so only its hops count.
fn circling(message: &Message<'_>, route: &Route) -> Option<String> {
    match route {
        Route::List(resolved) if !matches!(resolved.word, Some(Word::Bounces | Word::Fbl)) => {
            looping(message, Some(&resolved.list.address), resolved.word)
        }
        _ => looping(message, None, None),
    }
}

/// The entry of one recipient. A foreign intake may have written the one it comes from: what later stages believe is
/// established here anew, and never taken over.
fn forwarded(entry: &Entry, ordinal: u32, queue: Queue, recipient: &str, route: &Route) -> Entry {
    let mut forwarded = entry.derive(Inbound::READS.name(), ordinal, queue);
    forwarded.envelope.recipients = vec![recipient.to_owned()];
    let (list, subaddress) = match route {
        Route::List(resolved) => {
            (Some(resolved.list.address.to_string()), resolved.word.map(|word| (word.name(), resolved.detail.as_str())))
        }
        _ => (None, Some((POSTMASTER, ""))),
    };
    forwarded.list = list;
    forwarded.facts = Facts {
        subaddress: subaddress.map(|(word, detail)| Subaddress {
            word: word.to_owned(),
            detail: detail.to_owned(),
            other: Default::default(),
        }),
        other: entry.facts.other.clone(),
        ..Facts::default()
    };
    forwarded
}

fn meaning(route: &Route) -> String {
    match route {
        Route::List(resolved) => match resolved.word {
            None => format!("a post to {}", resolved.list.address),
            Some(word) => format!("the address {:?} of {}", word.name(), resolved.list.address),
        },
        _ => "mail to the site admins".to_owned(),
    }
}
