//! One transaction of a plan, with all that it needs.

use listmill_core::Transaction;
use listmill_queue_format::Entry;

use crate::content::{transparent, wire_form};
use crate::ledger::Page;
use crate::{Outgoing, Reply};

/// RFC 5321 §4.5.3.1.10: the next host takes no more recipients in this transaction.
const TOO_MANY: u16 = 452;

/// One transaction.
#[derive(Debug)]
pub(crate) struct Work {
    places: Vec<usize>,
    recipients: Vec<String>,
    return_path: String,
    /// Each recipient's own return path, where the next host is to make them of the one that they share.
    apart: Vec<String>,
    prefix: Vec<u8>,
    /// Dots that transparency adds to the prefix.
    dots: usize,
    smtputf8: bool,
    eight_bit: bool,
}

impl Work {
    /// The transaction without the recipients that are done; none when no one is left.
    pub(crate) fn of(entry: &Entry, transaction: &Transaction, page: &Page) -> Option<Work> {
        let is_left = |place: usize| !page.done().contains_key(&place) && place < entry.recipients.len();
        let address = |place: usize| entry.recipients.get(place).map(|one| one.address.clone()).unwrap_or_default();
        let left: Vec<usize> =
            (0..transaction.recipients.len()).filter(|at| is_left(transaction.recipients[*at])).collect();
        let prefix = wire_form(&transaction.prefix);
        let (prefix, dots) = transparent(&prefix);
        (!left.is_empty()).then(|| Work {
            places: left.iter().map(|at| transaction.recipients[*at]).collect(),
            recipients: left.iter().map(|at| address(transaction.recipients[*at])).collect(),
            return_path: transaction.return_path.clone(),
            apart: left.iter().filter_map(|at| transaction.apart.get(*at).cloned()).collect(),
            prefix: prefix.into_owned(),
            dots,
            smtputf8: transaction.smtputf8,
            eight_bit: transaction.eight_bit,
        })
    }

    /// As it leaves.
    pub(crate) fn outgoing<'a>(&'a self, message: &'a [u8], dots: usize) -> Outgoing<'a> {
        Outgoing {
            return_path: &self.return_path,
            recipients: &self.recipients,
            prefix: &self.prefix,
            message,
            dots: dots + self.dots,
            smtputf8: self.smtputf8,
            eight_bit: self.eight_bit,
            makes_paths: self.is_shared(),
        }
    }

    /// The places of its recipients in the distribution list.
    pub(crate) fn places(&self) -> &[usize] {
        &self.places
    }

    /// Their addresses.
    pub(crate) fn recipients(&self) -> &[String] {
        &self.recipients
    }

    /// It needs a next host that makes return paths.
    pub(crate) fn is_shared(&self) -> bool {
        !self.apart.is_empty()
    }

    /// A transaction for each recipient, with a return path of their own.
    pub(crate) fn apart(&self) -> impl DoubleEndedIterator<Item = Work> {
        (0..self.places.len()).map(|at| {
            let return_path = self.apart.get(at).unwrap_or(&self.return_path).clone();
            Work { return_path, apart: Vec::new(), ..self.only(&[at]) }
        })
    }

    /// Those of them alone.
    fn only(&self, ats: &[usize]) -> Work {
        Work {
            places: ats.iter().map(|at| self.places[*at]).collect(),
            recipients: ats.iter().map(|at| self.recipients[*at].clone()).collect(),
            return_path: self.return_path.clone(),
            apart: ats.iter().filter_map(|at| self.apart.get(*at).cloned()).collect(),
            prefix: self.prefix.clone(),
            ..*self
        }
    }

    /// The first so many, and the others; none where there are not more.
    pub(crate) fn split(&self, most: usize) -> Option<(Work, Work)> {
        let count = self.places.len();
        let ats: Vec<usize> = (0..count).collect();
        (most > 0 && count > most).then(|| (self.only(&ats[..most]), self.only(&ats[most..])))
    }

    /// Those who were one too many for this transaction, and those who were not with their replies. None where all were, or nobody was: then it
    /// says nothing of their number.
    pub(crate) fn without_too_many(&self, replies: &[Reply]) -> Option<(Work, Work)> {
        let (too_many, others): (Vec<usize>, Vec<usize>) =
            (0..self.places.len()).partition(|at| replies.get(*at).is_some_and(is_too_many));
        (!too_many.is_empty() && !others.is_empty()).then(|| (self.only(&others), self.only(&too_many)))
    }
}

/// With the enhanced status code of that (RFC 3463 §3.6), or none.
pub(crate) fn is_too_many(reply: &Reply) -> bool {
    reply.code == TOO_MANY && matches!(reply.status.as_str(), "4.5.3" | "4.0.0")
}
