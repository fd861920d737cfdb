//! A list and its address.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::resolve::Word;
use crate::{Address, Settings, Timestamp};

/// Room for the longest word behind the name within 64 octets of local part (RFC 5321 §4.5.3.1.1).
const MAX_NAME_OCTETS: usize = 64 - "-unsubscribe".len();

/// The posting address of a list, in lower case: the list's identity.
///
/// The name (its local part) is made of letters, digits, `.`, `-` and `_`, begins and ends with a letter or digit, and so
/// is safe as a file name, in a header and in a pattern.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ListAddress(Address);

impl ListAddress {
    /// The name: what stands before the `@`.
    pub fn name(&self) -> &str {
        self.0.local()
    }

    /// The domain.
    pub fn domain(&self) -> &str {
        self.0.domain()
    }

    /// The whole posting address.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The posting address as an address.
    pub fn address(&self) -> &Address {
        &self.0
    }

    /// The List-Id (RFC 2919 §2): `dev.lists.example.org`.
    pub fn list_id(&self) -> String {
        format!("{}.{}", self.name(), self.domain())
    }

    /// The address of this list behind `word`, with a detail if there is one: `dev-leave+TOKEN@lists.example.org`.
    pub fn with_word(&self, word: Word, detail: &str) -> String {
        let plus = if detail.is_empty() { "" } else { "+" };
        format!("{}-{}{plus}{detail}@{}", self.name(), word.name(), self.domain())
    }

    /// Refuses a name that would take another list's subaddress: `dev-request` is an address of `dev`.
    ///
    /// # Errors
    /// [`ListNameError`] names the word.
    pub fn check_not_reserved(&self) -> Result<(), ListNameError> {
        let reserved = |word: &str| {
            self.name() == word || ["-", "+"].iter().any(|mark| self.name().ends_with(&format!("{mark}{word}")))
        };
        match Word::RESERVED.into_iter().chain(["postmaster", "abuse", "mailer-daemon"]).find(|word| reserved(word)) {
            Some(word) => Err(ListNameError {
                name: self.name().to_owned(),
                reason: format!("{word:?} at its end is reserved for the addresses that each list has"),
            }),
            None => Ok(()),
        }
    }
}

/// The text cannot be the address of a list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} cannot be a list: {reason}")]
pub struct ListNameError {
    /// What was given.
    pub name: String,
    /// What is wrong with it.
    pub reason: String,
}

impl FromStr for ListAddress {
    type Err = ListNameError;

    fn from_str(text: &str) -> Result<Self, ListNameError> {
        let wrong = |reason: &str| ListNameError { name: text.to_owned(), reason: reason.to_owned() };
        let (name, _) = text
            .rsplit_once('@')
            .ok_or_else(|| wrong("a list is named by its address, as in dev@lists.example.org"))?;
        if name.len() > MAX_NAME_OCTETS {
            return Err(wrong(&format!("its name is longer than {MAX_NAME_OCTETS} characters")));
        }
        if let Some(odd) = name.chars().find(|c| !(c.is_ascii_alphanumeric() || ".-_".contains(*c))) {
            return Err(wrong(&format!("its name has {odd:?}; letters, digits, '.', '-' and '_' are allowed")));
        }
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        if !edge(name.chars().next()) || !edge(name.chars().last()) {
            return Err(wrong("its name must begin and end with a letter or a digit"));
        }
        let address: Address =
            text.to_lowercase().parse().map_err(|error: crate::AddressError| wrong(&error.reason))?;
        Ok(ListAddress(address))
    }
}

impl fmt::Display for ListAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for ListAddress {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A list as a stage sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct List {
    /// Its identity.
    pub address: ListAddress,
    /// When it was created.
    pub created: Timestamp,
    /// What its owners have set; the rest comes from the domain, the site file, or is built in.
    pub own: BTreeMap<String, String>,
    /// What holds, after the cascade.
    pub settings: Settings,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_named_by_its_address_in_lower_case() {
        let list: ListAddress = "Dev@Lists.Example.ORG".parse().unwrap();
        assert_eq!(list.as_str(), "dev@lists.example.org");
        assert_eq!(list.list_id(), "dev.lists.example.org");
        assert_eq!(list.with_word(Word::Leave, "x1"), "dev-leave+x1@lists.example.org");
    }

    #[test]
    fn hostile_names_are_refused() {
        let long = format!("{}@lists.example.org", "a".repeat(53));
        for name in [
            "dev",
            "../etc@x.org",
            "a/b@x.org",
            "..@x.org",
            "-rf@x.org",
            "a\0b@x.org",
            "a b@x.org",
            "a\r\nb@x.org",
            "a%2e@x.org",
            "dév@x.org",
            "a+b@x.org",
            "@x.org",
            "dev@",
            &long,
        ] {
            assert!(name.parse::<ListAddress>().is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_reserved_word_at_the_end_is_refused_at_creation() {
        for name in
            ["dev-request@x.org", "dev-bounces@x.org", "owner@x.org", "postmaster@x.org", "dev-unsubscribe@x.org"]
        {
            assert!(name.parse::<ListAddress>().unwrap().check_not_reserved().is_err(), "{name}");
        }
        for name in ["dev@x.org", "requests@x.org", "landowner@x.org", "join-us@x.org"] {
            assert!(name.parse::<ListAddress>().unwrap().check_not_reserved().is_ok(), "{name}");
        }
    }
}
