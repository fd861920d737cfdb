//! The stage itself: posts go to the roster, page by page; mail to the people in charge goes to them at once.

use listmill_core::{
    Address, Context, Destination, Disposition, POSTMASTER, Stage, StoreView, Unavailable, Word, destination,
};
use listmill_letters::Letters;
use listmill_queue_format::{Entry, Queue};

use crate::page::Page;
use crate::people;

/// What the site file says about distribution.
#[derive(Debug, Clone)]
pub struct PendingConfig {
    /// How many people of the roster one hop looks at: the most recipients that an outbound entry has.
    pub chunk: usize,
    /// The site admins: they get mail to `postmaster@`, and to the owners of a list that has nobody in charge.
    pub admins: Vec<Address>,
    /// The site's domains.
    pub domains: Vec<String>,
    /// What letters are written with.
    pub letters: Letters,
}

/// The pending stage.
#[derive(Debug)]
pub struct Pending {
    config: PendingConfig,
}

impl Pending {
    /// A stage for this site.
    pub fn new(config: PendingConfig) -> Self {
        Pending { config }
    }
}

impl Stage for Pending {
    const READS: Queue = Queue::Pending;
    const WRITES: &'static [Queue] = &[Queue::Pending, Queue::Outbound];

    fn decide(&self, entry: &Entry, view: &dyn StoreView, cx: Context) -> Result<Vec<Disposition>, Unavailable> {
        let destination = match destination(entry, view)? {
            Ok(destination) => destination,
            Err(undecidable) => return Ok(vec![undecidable]),
        };
        let name = entry.facts.subaddress.as_ref().map(|subaddress| subaddress.word.as_str());
        let word = name.and_then(Word::named);
        match (&destination, name, word) {
            (Destination::List(list), None, _) => {
                let chunk = self.config.chunk.max(1);
                Page { entry, list, chunk, letters: &self.config.letters }.decide(view, cx)
            }
            (Destination::List(list), _, Some(word @ (Word::Owner | Word::Moderators))) => {
                Ok(vec![people::in_charge(entry, list, word, &self.config, view)?])
            }
            (Destination::SiteAdmins, Some(POSTMASTER), _) => Ok(vec![people::site_admins(entry, &self.config)]),
            (_, name, _) => {
                let name = name.unwrap_or_default();
                Ok(vec![Disposition::Shunt { reason: format!("mail to the address {name:?} is not for this queue") }])
            }
        }
    }
}
