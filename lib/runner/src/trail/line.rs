//! One line of the trail.

use std::borrow::Cow;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use listmill_mail::limits::message_id;
use listmill_queue_format::{Entry, EntryId, Outcome, Queue, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::panics::guarded;

/// The characters of a reply's text that are kept: enough for the words and for the smarthost's own id of the copy.
const MAX_TEXT: usize = 200;
/// The characters of a reason that are kept.
const MAX_WHY: usize = 500;
/// Octets of a mark.
const MARK: usize = 10;

/// What was done with one entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrailLine {
    /// The Message-ID, without its angle brackets; empty where there is none. It comes first: that is how a line is found.
    pub mid: String,
    /// The entry.
    pub entry: EntryId,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub runner: Queue,
    /// The list that it concerns.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub list: String,
    /// Attempts at its delivery before this one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempts: u32,
    /// The dispositions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub did: Vec<Step>,
    /// What the smarthost said about each recipient.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub said: Vec<Said>,
}

/// One disposition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Which.
    pub did: Cow<'static, str>,
    /// Why, for a person.
    pub why: String,
    /// The queue that an entry left for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Queue>,
    /// That entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<EntryId>,
    /// The length of its distribution list.
    #[serde(default, skip_serializing_if = "is_none")]
    pub recipients: usize,
    /// Its Message-ID, where it is another message: a letter of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub letter: Option<String>,
}

/// What the smarthost said about one recipient: in JSON an array of four, for there may be a million of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said(
    /// The address; on a host without a store the mark that stands for it.
    pub String,
    /// The reply code (RFC 5321 §4.2); 0 where no reply came.
    pub u16,
    /// The enhanced status code (RFC 3463).
    pub String,
    /// The text.
    pub String,
);

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_none(number: &usize) -> bool {
    *number == 0
}

impl Step {
    /// A disposition that no entry leaves by.
    pub(crate) fn of(did: &'static str, why: &str) -> Step {
        Step { did: did.into(), why: cut(why, MAX_WHY), to: None, entry: None, recipients: 0, letter: None }
    }

    /// One by which `left` leaves, made of `parent`.
    pub(crate) fn leaving(did: &'static str, why: &str, left: &Entry, parent: &Entry) -> Step {
        Step {
            to: Some(left.queue),
            entry: Some(left.id),
            recipients: left.recipients.len(),
            letter: letter(left, parent),
            ..Step::of(did, why)
        }
    }
}

/// The Message-ID of `left` where that is another message than `parent` has.
fn letter(left: &Entry, parent: &Entry) -> Option<String> {
    if Arc::ptr_eq(&left.message, &parent.message) {
        return None;
    }
    let (own, parents) = (id_of(left), id_of(parent));
    (own != parents).then_some(own)
}

/// The Message-ID for logs. Whatever is wrong with the message is for the stage to stumble over, where it is caught.
pub(crate) fn id_of(entry: &Entry) -> String {
    guarded(|| message_id(&entry.message)).unwrap_or_default()
}

impl Said {
    /// What was said about `address`, with its mark in the place of the address if there is one.
    pub(crate) fn of(address: &str, mark: Option<String>, outcome: &Outcome) -> Said {
        let text = match &mark {
            Some(_) => without(&outcome.text, address),
            None => outcome.text.clone(),
        };
        let status = cut(&outcome.status, 11);
        Said(mark.unwrap_or_else(|| address.to_owned()), outcome.code, status, cut(&text, MAX_TEXT))
    }
}

/// Stands for a recipient in the trail of a host that may keep no addresses. It says nothing to who does not know the address, and is another one with
/// each message.
pub(crate) fn mark(mid: &str, address: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(mid.as_bytes());
    hash.update([0]);
    hash.update(address.to_lowercase().as_bytes());
    HEXLOWER.encode(&hash.finalize()[..MARK])
}

/// The text without an address that it repeats, however that is written.
fn without(text: &str, address: &str) -> String {
    let (low, wanted) = (text.to_ascii_lowercase(), address.to_ascii_lowercase());
    let (mut rest, mut at) = (String::new(), 0);
    for (found, _) in low.match_indices(&wanted) {
        rest.push_str(&text[at..found]);
        rest.push('…');
        at = found + wanted.len();
    }
    rest + &text[at..]
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_keeps_no_addresses_keeps_none_in_a_reply_either() {
        let outcome = Outcome {
            at: Timestamp::UNIX_EPOCH,
            code: 550,
            status: "5.1.1".to_owned(),
            text: "<Bob@Example.net>: bob@example.net is unknown".to_owned(),
            other: serde_json::Map::new(),
        };
        let Said(who, code, status, text) = Said::of("bob@example.net", Some(mark("1@x", "bob@example.net")), &outcome);
        assert_eq!((code, status.as_str(), text.as_str()), (550, "5.1.1", "<…>: … is unknown"));
        assert_eq!(who, mark("1@x", "BOB@example.net"));
        assert_ne!(who, mark("2@x", "bob@example.net"));
        assert_eq!(Said::of("bob@example.net", None, &outcome).0, "bob@example.net");
    }

    #[test]
    fn what_is_long_is_cut_at_a_character() {
        assert_eq!(cut("müde", 2), "mü…");
        assert_eq!(cut("müde", 4), "müde");
    }
}
