//! One page of a post's distribution list.

use listmill_core::settings::Copies as Kind;
use listmill_core::{Address, Context, Disposition, List, Member, SigningKeys, StoreView, Unavailable, Word};
use listmill_letters::Letters;
use listmill_mail::listheaders::{self, distribute, feedback_fields, unsubscribe_field};
use listmill_mail::verp::{SHARED_PATH, return_path, shared_path};
use listmill_queue_format::{Cursor, Entry, EntryId, Envelope, Facts, Priority, Queue, Recipient};
use listmill_templates::{FooterValues, footer};

use crate::ack;
use crate::copies::Copies;

const STAGE: &str = "pending";
/// The ordinals of the entries that a page derives: a repeat writes the same ids.
const PAGE: u32 = 0;
const NEXT: u32 = 1;

/// The fact that ties the pages of one post together: `facts.post`, the id that the first page's entry had in this queue.
const POST: &str = "post";

/// The id of the outbound entry that the page becomes for which `entry` asks.
pub fn page_id(entry: &Entry) -> EntryId {
    entry.id.derive(STAGE, PAGE)
}

/// The page that `entry` asks for.
pub(crate) struct Page<'a> {
    pub(crate) entry: &'a Entry,
    pub(crate) list: &'a List,
    /// People on a page.
    pub(crate) chunk: usize,
    pub(crate) letters: &'a Letters,
}

impl Page<'_> {
    /// The outbound entry of this page, if anybody receives it, the pending entry of the next page, if there may be one, and with the
    /// first page the note to an author who wants one.
    pub(crate) fn decide(&self, view: &dyn StoreView, cx: Context) -> Result<Vec<Disposition>, Unavailable> {
        let after = match self.after() {
            Ok(after) => after,
            Err(reason) => return Ok(vec![Disposition::Shunt { reason }]),
        };
        let people = view.roster(&self.list.address, after.as_ref(), self.chunk)?;
        let copies = Copies::of(self.entry, cx.now);
        let receivers: Vec<&Member> = people.iter().filter(|member| copies.goes_to(member)).collect();
        let mut dispositions = Vec::new();
        if !receivers.is_empty() {
            let keys = view.signing_keys()?;
            let reason = format!("page {}: {} recipients", self.number() + 1, receivers.len());
            dispositions.push(Disposition::Forward { entry: self.outbound(&receivers, &keys, cx), reason });
        }
        if let Some(last) = people.last().filter(|_| people.len() == self.chunk) {
            let reason = format!("page {} comes after {}", self.number() + 2, last.address);
            dispositions.push(Disposition::Forward { entry: self.next(last), reason });
        }
        match copies.author() {
            _ if dispositions.is_empty() => dispositions.push(self.nobody()),
            Some(author) if self.number() == 0 => {
                dispositions.extend(ack::note(self.entry, self.list, author, self.letters, view, cx)?);
            }
            _ => {}
        }
        Ok(dispositions)
    }

    fn nobody(&self) -> Disposition {
        let reason = match self.number() {
            0 => format!("nobody on {} is to get a copy", self.list.address),
            number => format!("page {number}, the last one, has nobody to deliver to"),
        };
        Disposition::Discard { reason }
    }

    /// The last address of the page before.
    fn after(&self) -> Result<Option<Address>, String> {
        let Some(cursor) = &self.entry.facts.cursor else { return Ok(None) };
        cursor.after.parse().map(Some).map_err(|error| format!("the cursor: {error}"))
    }

    fn number(&self) -> u32 {
        self.entry.facts.cursor.as_ref().map_or(0, |cursor| cursor.page)
    }

    /// The id of the post, the same on each page.
    fn post(&self) -> EntryId {
        let known = self.entry.facts.other.get(POST).and_then(|value| value.as_str());
        known.and_then(|text| text.parse().ok()).unwrap_or(self.entry.id)
    }

    fn outbound(&self, receivers: &[&Member], keys: &SigningKeys, cx: Context) -> Entry {
        let list = &self.list.address;
        let mut outbound = self.entry.derive(STAGE, PAGE, Queue::Outbound);
        outbound.priority = self.priority();
        outbound.message = self.message().into();
        // What the author's client looked like is nobody's business beyond this point.
        outbound.envelope = Envelope { sender: list.with_word(Word::Bounces, ""), client: None, ..outbound.envelope };
        outbound.facts = Facts { other: self.entry.facts.other.clone(), ..Facts::default() };
        outbound.facts.other.insert(POST.to_owned(), self.post().to_string().into());
        if self.is_shared() {
            let path = shared_path(keys, list, self.post(), cx.now);
            outbound.facts.other.insert(SHARED_PATH.to_owned(), path.into());
        }
        outbound.recipients = receivers.iter().map(|member| self.recipient(&member.address, keys, cx)).collect();
        outbound
    }

    fn recipient(&self, address: &Address, keys: &SigningKeys, cx: Context) -> Recipient {
        let return_path = return_path(keys, &self.list.address, address, self.post(), cx.now);
        if self.is_shared() {
            return Recipient { address: address.to_string(), return_path, ..Recipient::default() };
        }
        let mut headers = vec![unsubscribe_field(keys, self.list, address)];
        headers.extend(feedback_fields(self.list, &return_path));
        Recipient { address: address.to_string(), return_path, headers, ..Recipient::default() }
    }

    /// All copies are the same octets.
    fn is_shared(&self) -> bool {
        self.list.settings.copies == Kind::Shared
    }

    fn message(&self) -> Vec<u8> {
        let owner = self.list.address.with_word(Word::Owner, "");
        let settings = &self.list.settings;
        let values =
            FooterValues { list: self.list.address.as_str(), description: &settings.description, owner: &owner };
        // A footer was checked when it was set; one that no longer renders is left out, because a post matters more.
        let footer = footer(&settings.footer, &values).unwrap_or_default();
        distribute(&listheaders::Post {
            message: &self.entry.message,
            list: self.list,
            id: self.post(),
            arrived: self.entry.arrived,
            footer: &footer,
        })
    }

    /// The first page goes with the other posts; the later ones of a long list let them pass.
    fn priority(&self) -> Priority {
        if self.number() == 0 { Priority::Normal } else { Priority::Low }
    }

    /// This entry again, for the people behind `last`.
    fn next(&self, last: &Member) -> Entry {
        let mut next = self.entry.derive(STAGE, NEXT, Queue::Pending);
        next.priority = Priority::Low;
        next.facts.cursor =
            Some(Cursor { after: last.address.to_string(), page: self.number() + 1, other: Default::default() });
        next.facts.other.insert(POST.to_owned(), self.post().to_string().into());
        // One hop stands for all pages: a record for each would grow line 1 with the size of the list.
        while next.trace.last().is_some_and(|hop| hop.runner == STAGE) {
            next.trace.pop();
        }
        next
    }
}
