//! The stage itself. In this version it understands unsubscribe tokens; whatever else people ask for goes to the owners.

use listmill_core::{
    Address, Context, Destination, Disposition, List, Stage, StoreView, Unavailable, Word, destination,
};
use listmill_mail::author::{Authorship, author};
use listmill_mail::automatic::automatic;
use listmill_mail::message::Message;
use listmill_queue_format::{Entry, Facts, Queue, Subaddress};

use crate::leave::leave;

/// The command stage.
#[derive(Debug, Default)]
pub struct Command {}

impl Command {
    /// A stage.
    pub fn new() -> Self {
        Command {}
    }
}

impl Stage for Command {
    const READS: Queue = Queue::Command;
    const WRITES: &'static [Queue] = &[Queue::Pending];

    fn decide(&self, entry: &Entry, view: &dyn StoreView, _: Context) -> Result<Vec<Disposition>, Unavailable> {
        let list = match destination(entry, view)? {
            Ok(Destination::List(list)) => list,
            Ok(Destination::SiteAdmins) => {
                let reason = "mail to the site admins is not for this queue".to_owned();
                return Ok(vec![Disposition::Shunt { reason }]);
            }
            Err(undecidable) => return Ok(vec![undecidable]),
        };
        let Some(subaddress) = &entry.facts.subaddress else {
            return Ok(vec![Disposition::Shunt { reason: "a post is not for this queue".to_owned() }]);
        };
        if subaddress.word == Word::Leave.name()
            && let Some(decided) = leave(&list, &subaddress.detail, view)?
        {
            return Ok(vec![decided]);
        }
        Ok(vec![for_a_person(entry, subaddress, &list, view)?])
    }
}

/// A person reads it: the owners. Not what a machine sent, and not what a banned person did.
fn for_a_person(
    entry: &Entry,
    subaddress: &Subaddress,
    list: &List,
    view: &dyn StoreView,
) -> Result<Disposition, Unavailable> {
    let message = Message::parse(&entry.message);
    let word = &subaddress.word;
    if let Some(why) = automatic(&message, &entry.envelope.sender) {
        return Ok(Disposition::Discard { reason: format!("automatic mail to the address {word:?}: {why}") });
    }
    for suspect in suspects(entry, &message) {
        if let Some(ban) = view.banned(&list.address, &suspect)? {
            return Ok(Disposition::Discard {
                reason: format!("{suspect} is banned ({} on {})", ban.pattern, ban.scope),
            });
        }
    }
    let mut forwarded = entry.derive(Command::READS.name(), 0, Queue::Pending);
    let owner = Subaddress { word: Word::Owner.name().to_owned(), detail: String::new(), other: Default::default() };
    forwarded.facts = Facts { subaddress: Some(owner), other: entry.facts.other.clone(), ..Facts::default() };
    Ok(Disposition::Forward { entry: forwarded, reason: format!("mail to the address {word:?} goes to the owners") })
}

/// Who may have written it.
fn suspects(entry: &Entry, message: &Message<'_>) -> Vec<Address> {
    let author = match author(message) {
        Authorship::Known(author) => author.address.parse().ok(),
        Authorship::Doubt(_) => None,
    };
    author.into_iter().chain(entry.envelope.sender.parse().ok()).collect()
}
