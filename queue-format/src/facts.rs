//! What stages establish about an entry, each fact written once by the stage that its field names.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{instant, json};

/// Facts that earlier stages established. A later stage reads them and does not establish them again.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// inbound: the address of the list that was written to, when it was not the posting address.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub subaddress: Option<Subaddress>,
    /// auth: who wrote it. Absent when nobody can be named without doubt.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub author: Option<Author>,
    /// auth: why nobody can be named.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub author_doubt: Option<String>,
    /// auth: authentication results of a trusted host (RFC 8601).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authentication: Vec<AuthenticationResult>,
    /// moderation: the rules that hit, in the order of the chain.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleHit>,
    /// A moderator's decision to let a held post through.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub approved: Option<Approval>,
    /// pending: how far the roster has been read.
    #[serde(default, deserialize_with = "json::present", skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// Facts that this version does not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The part of a list's address behind its name: `dev-leave+TOKEN@` has the word `leave` and the detail `TOKEN`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subaddress {
    /// request, join, leave, confirm, approve, reject, discard, owner or bounces.
    pub word: String,
    /// What stands behind the word: a token, or an encoded recipient.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The author of a message (RFC 5598 §2.1.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// Address as written in From:, the domain in lower case and A-labels.
    pub address: String,
    /// Display name, decoded.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// One result of one method, as a trusted host reported it (RFC 8601 §2.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthenticationResult {
    /// The host that says so.
    pub authserv_id: String,
    /// dkim, spf, dmarc, arc, …
    pub method: String,
    /// pass, fail, none, …
    pub result: String,
    /// `ptype.property` to value, as in `"header.d": "example.net"`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub properties: Map<String, Value>,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A moderation rule that hit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleHit {
    /// The rule's name.
    pub rule: String,
    /// What it saw, for a person.
    pub reason: String,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Who let a held post through, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The moderator's address, or "operator" for the command line.
    pub by: String,
    /// When.
    #[serde(with = "instant")]
    pub at: Timestamp,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Where the next page of the roster begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The last address of the page before.
    pub after: String,
    /// The number of the next page, counting from 0.
    pub page: u32,
    /// Fields that this version does not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}
