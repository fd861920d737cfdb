//! The identity of an entry, and how the ids of outgoing entries derive from it.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// The identity of an entry: a UUID in canonical lower-case text (RFC 9562).
///
/// A fresh one is version 7, so ids sort by the time the message arrived. One that a stage writes is derived
/// (version 8) and keeps its parent's time: a stage that runs twice writes the same entries under the same ids.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(Uuid);

impl EntryId {
    /// A new identity for a message that arrives at `now`; `chance` must come from a random source.
    pub fn fresh(now: Timestamp, chance: [u8; 10]) -> Self {
        let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
        EntryId(uuid::Builder::from_unix_timestamp_millis(millis, &chance).into_uuid())
    }

    /// The identity of the `ordinal`-th entry that `stage` writes from this one. SPEC.md, "Derived ids".
    #[must_use]
    pub fn derive(self, stage: &str, ordinal: u32) -> Self {
        let mut hash = Sha256::new();
        hash.update(self.0.as_bytes());
        hash.update(stage.as_bytes());
        hash.update([0]);
        hash.update(ordinal.to_be_bytes());
        let hash = hash.finalize();
        let mut bytes = [0_u8; 16];
        bytes[..6].copy_from_slice(&self.0.as_bytes()[..6]);
        bytes[6..].copy_from_slice(&hash[..10]);
        EntryId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// The seed for everything that a stage decides by chance about this entry.
    pub fn seed(self) -> u64 {
        let hash = Sha256::digest(self.0.as_bytes());
        let mut first = [0_u8; 8];
        first.copy_from_slice(&hash[..8]);
        u64::from_be_bytes(first)
    }

    /// The identity with these bytes, which [`as_bytes`](Self::as_bytes) has given.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        EntryId(Uuid::from_bytes(bytes))
    }

    /// The 16 bytes of the UUID.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.hyphenated(), f)
    }
}

impl fmt::Debug for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EntryId({self})")
    }
}

/// The text is not an entry id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an entry id (a UUID in canonical lower-case text)")]
pub struct IdError(pub String);

impl FromStr for EntryId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let id = Uuid::try_parse(text).map_err(|_| IdError(text.to_owned()))?;
        // One spelling only: an id is compared as text by operators, by file names and by other languages.
        if id.hyphenated().to_string() == text { Ok(EntryId(id)) } else { Err(IdError(text.to_owned())) }
    }
}

impl Serialize for EntryId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EntryId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derived_id_is_the_same_each_time_and_differs_by_stage_and_ordinal() {
        let id = EntryId::fresh(Timestamp::UNIX_EPOCH, [7; 10]);
        assert_eq!(id.derive("pending", 3), id.derive("pending", 3));
        assert_ne!(id.derive("pending", 3), id.derive("pending", 4));
        assert_ne!(id.derive("pending", 3), id.derive("outbound", 3));
        assert_eq!(id.as_bytes()[..6], id.derive("pending", 3).as_bytes()[..6], "keeps the parent's time");
    }

    #[test]
    fn derived_ids_are_those_of_the_specification() {
        let id: EntryId = "01952f3a-7b40-7c11-8a5e-0123456789ab".parse().unwrap();
        let derived = |stage, ordinal| id.derive(stage, ordinal).to_string();
        assert_eq!(derived("pending", 0), "01952f3a-7b40-8336-815e-a5303d237d31");
        assert_eq!(derived("pending", 7), "01952f3a-7b40-8cdb-9382-44106fde9229");
        assert_eq!(derived("outbound", 0), "01952f3a-7b40-816b-8e18-dcab48b8b850");
    }

    #[test]
    fn only_the_canonical_spelling_is_an_id() {
        let id = EntryId::fresh(Timestamp::UNIX_EPOCH, [0xab; 10]).to_string();
        assert_eq!(id.parse::<EntryId>().unwrap().to_string(), id);
        assert!(id.to_uppercase().parse::<EntryId>().is_err());
        assert!(id.replace('-', "").parse::<EntryId>().is_err());
        assert!("../../etc/passwd".parse::<EntryId>().is_err());
    }
}
