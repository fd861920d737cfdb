//! The stage itself: who writes to which address, and what is done with it.

use listmill_core::{
    Address, CLOCK, Context, Destination, Disposition, HELD, List, Stage, StoreView, Unavailable, Word, destination,
};
use listmill_mail::automatic::automatic;
use listmill_mail::limits::excess;
use listmill_mail::loops::looping;
use listmill_mail::message::Message;
use listmill_mail::sender::person;
use listmill_queue_format::{Entry, Queue, Subaddress};

use crate::config::CommandConfig;
use crate::read::read;
use crate::session::Session;
use crate::who::Requester;
use crate::{clock, held, members};

/// The command stage.
#[derive(Debug, Default)]
pub struct Command {
    pub(crate) config: CommandConfig,
}

impl Command {
    /// A stage for this site.
    pub fn new(config: CommandConfig) -> Self {
        Command { config }
    }

    /// A message that a person has written, as far as one can see.
    fn message(
        &self,
        entry: &Entry,
        to: &Subaddress,
        list: &List,
        view: &dyn StoreView,
        cx: Context,
    ) -> Result<Vec<Disposition>, Unavailable> {
        // Once more, behind inbound: a foreign intake may have written this entry without looking.
        if let Some(reason) = excess(&entry.message) {
            return Ok(vec![Disposition::Reject { reason: format!("5.6.0 {reason}"), notice: None }]);
        }
        let message = Message::parse(&entry.message);
        if let Some(reason) = looping(&message, Some(&list.address), Word::named(&to.word)) {
            return Ok(vec![Disposition::Reject { reason: format!("5.4.6 {reason}"), notice: None }]);
        }
        let discard = |reason: String| Ok(vec![Disposition::Discard { reason }]);
        if let Some(why) = automatic(&message, &entry.envelope.sender) {
            return discard(format!("automatic mail to the address {:?}: {why}", to.word)); // RFC 3834 §2
        }
        let who = match Requester::of(&message, &self.config.trusted_authserv_ids) {
            Ok(who) => who,
            Err(doubt) => return discard(format!("the author is in doubt: {doubt}")),
        };
        for suspect in suspects(&who, entry) {
            if let Some(ban) = view.banned(&list.address, &suspect)? {
                return discard(format!("{suspect} is banned ({} on {})", ban.pattern, ban.scope));
            }
        }
        let mut session = Session::new(&self.config, entry, Some(&message), list, who, view, cx)?;
        read(&mut session, to, &message)?;
        session.finish()
    }
}

impl Stage for Command {
    const READS: Queue = Queue::Command;
    const WRITES: &'static [Queue] = &[Queue::Pending, Queue::Outbound, Queue::Command];

    fn decide(&self, entry: &Entry, view: &dyn StoreView, cx: Context) -> Result<Vec<Disposition>, Unavailable> {
        let Some(to) = &entry.facts.subaddress else {
            return Ok(vec![Disposition::Shunt { reason: "a post is not for this queue".to_owned() }]);
        };
        if to.word == CLOCK && entry.list.is_none() {
            return clock::ring(&self.config, entry, (&to.detail, None), view, cx);
        }
        let list = match destination(entry, view)? {
            Ok(Destination::List(list)) => list,
            Ok(Destination::SiteAdmins) => {
                let reason = "mail to the site admins is not for this queue".to_owned();
                return Ok(vec![Disposition::Shunt { reason }]);
            }
            Err(undecidable) => return Ok(vec![undecidable]),
        };
        if to.word == CLOCK {
            return clock::ring(&self.config, entry, (&to.detail, Some(&list)), view, cx);
        }
        if to.word == HELD {
            return held::announce(&self.config, entry, &to.detail, &list, view, cx);
        }
        if to.word == Word::Leave.name()
            && let Some(decided) = members::leave_by_token(&list, &to.detail, view)?
        {
            return Ok(vec![decided]);
        }
        self.message(entry, to, &list, view, cx)
    }
}

/// Who may have written it: the author, and whoever stands behind the envelope sender.
fn suspects(who: &Requester, entry: &Entry) -> Vec<Address> {
    let sender = &entry.envelope.sender;
    let behind = [sender.parse().ok(), person(sender).parse().ok()];
    std::iter::once(who.address.clone()).chain(behind.into_iter().flatten()).collect()
}
