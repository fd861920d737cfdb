//! The plan: which recipients share a transaction.

use std::collections::HashMap;

use listmill_core::{DeliveryPlan, Transaction};
use listmill_queue_format::{Entry, Recipient};

/// The most recipients of one transaction: as many as every server must take (RFC 5321 §4.5.3.1.8).
pub const MAX_RECIPIENTS: usize = 100;

/// One transaction for each recipient with a return path or header fields of its own; those that leave alike leave together.
pub(crate) fn plan(entry: &Entry) -> DeliveryPlan {
    let eight_bit = !entry.message.is_ascii();
    // A message that was declared as SMTPUTF8 may have UTF-8 in any header field, those of its parts included (RFC 6532 §3.2).
    // One that was not and has octets above 127 in its header section all the same leaves as it came: to ask for SMTPUTF8 on
    // its behalf would make it undeliverable wherever a later host does not offer that.
    let utf8_message = entry.envelope.smtputf8 && eight_bit;
    let mut transactions: Vec<Transaction> = Vec::new();
    let mut open: HashMap<(&str, &[String], bool), usize> = HashMap::new();
    for (index, recipient) in entry.recipients.iter().enumerate() {
        let smtputf8 = utf8_message || !is_ascii(recipient);
        let key = (recipient.return_path.as_str(), recipient.headers.as_slice(), smtputf8);
        let alike = open.get(&key).and_then(|at| transactions.get_mut(*at));
        if let Some(with) = alike.filter(|with| with.recipients.len() < MAX_RECIPIENTS) {
            with.recipients.push(index);
            continue;
        }
        open.insert(key, transactions.len());
        let prefix = prefix(recipient);
        transactions.push(Transaction {
            return_path: recipient.return_path.clone(),
            recipients: vec![index],
            eight_bit: eight_bit || !prefix.is_ascii(),
            prefix,
            smtputf8,
        });
    }
    DeliveryPlan { transactions }
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
