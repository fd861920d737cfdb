//! The plan: which recipients share a transaction.

use std::collections::HashMap;

use listmill_core::{DeliveryPlan, Transaction};
use listmill_mail::verp::{SHARED_PATH, shared_path_of};
use listmill_queue_format::{Entry, Recipient};

/// The most recipients of one transaction: as many as every server must take (RFC 5321 §4.5.3.1.8).
pub const MAX_RECIPIENTS: usize = 100;

/// The most recipients of one transaction in which the next host makes the return paths. More gain nothing (with 500 on 4 connections a Postfix
/// took 4,000 to 4,800 a second, as many as with 1,000 on 10), and one that breaks behind its dot may be repeated for all of them.
pub const MAX_SHARED: usize = 500;

/// What those have in common who leave together: return path, header fields, whether the next host makes the paths, and whether SMTPUTF8 is needed.
type Alike<'a> = (&'a str, &'a [String], bool, bool);

/// One transaction for each recipient with a return path or header fields of its own; those that leave alike leave together, and so do those of
/// whose shared path the next host may make each one's own.
pub(crate) fn plan(entry: &Entry) -> DeliveryPlan {
    let eight_bit = !entry.message.is_ascii();
    // A message that was declared as SMTPUTF8 may have UTF-8 in any header field, those of its parts included (RFC 6532 §3.2).
    // One that was not and has octets above 127 in its header section all the same leaves as it came: to ask for SMTPUTF8 on
    // its behalf would make it undeliverable wherever a later host does not offer that.
    let utf8_message = entry.envelope.smtputf8 && eight_bit;
    let shared = entry.facts.other.get(SHARED_PATH).and_then(|path| path.as_str());
    let mut transactions: Vec<Transaction> = Vec::new();
    let mut open: HashMap<Alike<'_>, usize> = HashMap::new();
    for (index, recipient) in entry.recipients.iter().enumerate() {
        let smtputf8 = utf8_message || !is_ascii(recipient);
        let shared = shared.filter(|path| may_share(path, recipient));
        let return_path = shared.unwrap_or(&recipient.return_path);
        let key = (return_path, recipient.headers.as_slice(), shared.is_some(), smtputf8);
        let most = if shared.is_some() { MAX_SHARED } else { MAX_RECIPIENTS };
        let alike = open.get(&key).and_then(|at| transactions.get_mut(*at));
        if let Some(with) = alike.filter(|with| with.recipients.len() < most) {
            with.recipients.push(index);
            with.apart.extend(shared.map(|_| recipient.return_path.clone()));
            continue;
        }
        open.insert(key, transactions.len());
        let prefix = prefix(recipient);
        transactions.push(Transaction {
            return_path: return_path.to_owned(),
            recipients: vec![index],
            apart: shared.map(|_| recipient.return_path.clone()).into_iter().collect(),
            eight_bit: eight_bit || !prefix.is_ascii(),
            prefix,
            smtputf8,
        });
    }
    DeliveryPlan { transactions }
}

/// Nothing in this copy is the recipient's own, and the next host can make them a return path that comes back as it left.
fn may_share(path: &str, recipient: &Recipient) -> bool {
    recipient.headers.is_empty() && shared_path_of(path, &recipient.address).is_some()
}

/// Needs this recipient nothing of SMTPUTF8 (RFC 6531 §3.4)?
fn is_ascii(recipient: &Recipient) -> bool {
    recipient.address.is_ascii()
        && recipient.return_path.is_ascii()
        && recipient.headers.iter().all(|field| field.is_ascii())
}

fn prefix(recipient: &Recipient) -> Vec<u8> {
    let mut prefix = Vec::with_capacity(recipient.headers.iter().map(|field| field.len() + 2).sum());
    for field in &recipient.headers {
        prefix.extend_from_slice(field.as_bytes());
        prefix.extend_from_slice(b"\r\n");
    }
    prefix
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::samples::{entry, recipient};

    #[test]
    fn each_return_path_is_a_transaction_with_its_own_fields_in_front() {
        let mut entry = entry();
        entry.recipients = vec![recipient(1), recipient(2)];
        entry.recipients[1].headers = vec!["List-Unsubscribe: <mailto:a>".to_owned(), "X: y\r\n z".to_owned()];
        let plan = plan(&entry);
        assert_eq!(plan.transactions.len(), 2);
        assert_eq!(plan.transactions[0].return_path, entry.recipients[0].return_path);
        assert_eq!(plan.transactions[0].prefix, b"");
        assert_eq!(plan.transactions[1].prefix, b"List-Unsubscribe: <mailto:a>\r\nX: y\r\n z\r\n");
        assert!(plan.transactions.iter().all(|one| !one.smtputf8 && !one.eight_bit && one.recipients.len() == 1));
    }

    #[test]
    fn recipients_that_leave_alike_share_transactions_of_at_most_a_hundred() {
        let mut entry = entry();
        entry.recipients = (0..250).map(recipient).collect();
        for recipient in &mut entry.recipients {
            recipient.return_path.clear();
        }
        entry.recipients[7].headers = vec!["Own: field".to_owned()];
        let sizes: Vec<usize> = plan(&entry).transactions.iter().map(|one| one.recipients.len()).collect();
        assert_eq!(sizes, [100, 1, 100, 49]);
    }

    #[test]
    fn copies_that_share_a_path_leave_five_hundred_together() {
        let shared = "dev-bounces+tag@lists.example.org";
        let mut entry = entry();
        entry.facts.other.insert(SHARED_PATH.to_owned(), shared.into());
        entry.recipients = (0..1100).map(recipient).collect();
        entry.recipients[7].address = "\"odd one\"@example.net".to_owned();
        entry.recipients[8].headers = vec!["Own: field".to_owned()];
        let transactions = plan(&entry).transactions;
        let sizes: Vec<usize> = transactions.iter().map(|one| one.recipients.len()).collect();
        assert_eq!(sizes, [500, 1, 1, 500, 98]);
        for one in &transactions {
            let own = |index: &usize| entry.recipients[*index].return_path.clone();
            let apart: Vec<String> = one.recipients.iter().map(own).collect();
            match one.recipients.as_slice() {
                [7 | 8] => assert_eq!((&one.return_path, one.apart.len()), (&apart[0], 0)),
                _ => assert_eq!((one.return_path.as_str(), &one.apart), (shared, &apart)),
            }
        }
    }

    #[test]
    fn who_needs_smtputf8_does_not_draw_the_others_in() {
        let mut entry = entry();
        entry.recipients = (0..4).map(recipient).collect();
        for recipient in &mut entry.recipients {
            recipient.return_path = "bounces@lists.example.org".to_owned();
        }
        entry.recipients[1].address = "jürgen@example.net".to_owned();
        entry.recipients[3].address = "josé@example.net".to_owned();
        let plan = plan(&entry);
        let told: Vec<(Vec<usize>, bool)> =
            plan.transactions.iter().map(|one| (one.recipients.clone(), one.smtputf8)).collect();
        assert_eq!(told, [(vec![0, 2], false), (vec![1, 3], true)]);
    }

    #[test]
    fn a_header_in_utf8_needs_smtputf8_only_where_the_message_was_declared_so() {
        let mut entry = entry();
        entry.recipients = vec![recipient(1)];
        entry.message = "Subject: Grüße\r\n\r\nbody\r\n".as_bytes().into();
        let one = &plan(&entry).transactions[0];
        assert!(one.eight_bit && !one.smtputf8);
        entry.envelope.smtputf8 = true;
        assert!(plan(&entry).transactions[0].smtputf8);
        entry.message = b"Subject: plain\r\n\r\nbody\r\n".as_slice().into();
        assert!(!plan(&entry).transactions[0].smtputf8, "declared, but nothing in it needs it");
    }
}
