//! Mail addresses (RFC 5321 §4.1.2), parsed once and compared in one way.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use email_address::{EmailAddress, Options};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest path that a mail server must take, less its angle brackets (RFC 5321 §4.5.3.1.3).
const MAX_OCTETS: usize = 254;

/// A mail address. The local part keeps the case in which it was written; the domain is in lower case and A-labels.
///
/// Two addresses are equal when their [keys](Address::key) are: the case of the local part does not count. RFC 5321
/// §2.4 leaves that to the receiving host; no host that lists meet today distinguishes, and people do mix cases.
#[derive(Debug, Clone)]
pub struct Address {
    text: String,
    at: usize,
}

impl Address {
    /// The whole address.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands before the last `@`, as it was written.
    pub fn local(&self) -> &str {
        &self.text[..self.at]
    }

    /// What stands behind the last `@`: lower case, A-labels (RFC 5890).
    pub fn domain(&self) -> &str {
        &self.text[self.at + 1..]
    }

    /// The form by which addresses are compared and sorted.
    ///
    /// No letter crosses into ASCII: U+212A KELVIN SIGN lower-cases to `k`, and whoever writes it is not the member whose
    /// name has a `k`. Such a letter stays as it is, and a key of ASCII belongs to addresses of ASCII alone.
    pub fn key(&self) -> String {
        // Most are of ASCII, and each copy of a post needs the key of one.
        if self.text.is_ascii() { self.text.to_ascii_lowercase() } else { Address::key_of(&self.text).collect() }
    }

    /// The letters of the key of an address that is written as its parsed form is.
    pub fn key_of(text: &str) -> impl Iterator<Item = char> + '_ {
        text.chars().flat_map(|letter| {
            let crosses = !letter.is_ascii() && letter.to_lowercase().any(|lower| lower.is_ascii());
            let lower = match letter {
                // Lower-casing a whole text writes a final sigma so; letter by letter, both are one.
                'ς' => 'σ'.to_lowercase(),
                _ => letter.to_lowercase(),
            };
            crosses.then_some(letter).into_iter().chain(lower.take(if crosses { 0 } else { usize::MAX }))
        })
    }

    /// The local part needs SMTPUTF8 (RFC 6531).
    pub fn needs_smtputf8(&self) -> bool {
        !self.text.is_ascii()
    }
}

/// The text is not a mail address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a mail address: {reason}")]
pub struct AddressError {
    /// What was given.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = |reason: &str| AddressError { text: text.to_owned(), reason: reason.to_owned() };
        if text.len() > MAX_OCTETS {
            return Err(wrong("it is longer than 254 octets"));
        }
        if text.chars().any(char::is_control) {
            return Err(wrong("it has a control character"));
        }
        let (local, domain) = text.rsplit_once('@').ok_or_else(|| wrong("it has no @"))?;
        let domain = idna::domain_to_ascii_strict(domain).map_err(|_| wrong("its domain is not a domain name"))?;
        let text = format!("{local}@{domain}");
        let options = Options::default().with_minimum_sub_domains(0).without_display_text().without_domain_literal();
        let checked = if is_long_dot_atom(local) { format!("x@{domain}") } else { text.clone() };
        EmailAddress::parse_with_options(&checked, options)
            .map_err(|error| wrong(&error.to_string().to_lowercase()))?;
        Ok(Address { at: local.len(), text })
    }
}

/// A local part that is good but for going beyond the 64 octets of RFC 5321 §4.5.3.1.1, which asks that no such limit be
/// set where it can be avoided: return paths and tokens that hold an address do go beyond it, ours among them.
fn is_long_dot_atom(local: &str) -> bool {
    let good = |atom: &str| {
        let chars: Vec<char> = atom.chars().collect();
        // Sixteen characters are at most 64 octets, which is what the crate takes at once.
        !atom.contains('"')
            && !chars.is_empty()
            && chars.chunks(16).all(|some| EmailAddress::is_valid_local_part(&String::from_iter(some)))
    };
    local.len() > 64 && local.split('.').all(good)
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Address {}

impl PartialOrd for Address {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Address {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.text.is_ascii() && other.text.is_ascii() {
            // The same order as that of the keys, without building them: rosters are sorted by it.
            self.text
                .bytes()
                .map(|byte| byte.to_ascii_lowercase())
                .cmp(other.text.bytes().map(|byte| byte.to_ascii_lowercase()))
        } else {
            self.key().cmp(&other.key())
        }
    }
}

impl Hash for Address {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[test]
    fn the_domain_is_lower_case_and_a_labels_and_the_local_part_stays() {
        assert_eq!(address("Bob@BÜCHER.example").as_str(), "Bob@xn--bcher-kva.example");
        assert_eq!(address("user@bücher.example"), address("USER@xn--bcher-kva.EXAMPLE"));
        assert_eq!(address("\"a b\"@example.net").local(), "\"a b\"");
        assert_eq!(address("root@localhost").domain(), "localhost");
    }

    #[test]
    fn no_letter_crosses_into_ascii() {
        for (odd, plain) in [
            ("\u{212a}ate@example.org", "kate@example.org"),
            ("\u{17f}am@example.org", "sam@example.org"),
            ("\u{17f}am@example.org", "SAM@example.org"),
            ("\u{130}da@example.org", "ida@example.org"),
            ("\u{131}da@example.org", "Ida@example.org"),
            ("\u{ff4b}ate@example.org", "kate@example.org"),
        ] {
            let (odd, plain) = (address(odd), address(plain));
            assert_ne!(odd, plain);
            assert_ne!(odd.key(), plain.key());
            assert_ne!(odd.cmp(&plain), Ordering::Equal);
            assert_eq!(odd, odd.clone());
        }
    }

    #[test]
    fn other_letters_compare_without_case() {
        for (one, other) in [
            ("J\u{d6}RG@example.org", "j\u{f6}rg@example.org"),
            ("\u{39f}\u{394}\u{39f}\u{3a3}@example.org", "\u{3bf}\u{3b4}\u{3bf}\u{3c2}@example.org"),
            ("\u{410}\u{41d}\u{410}@example.org", "\u{430}\u{43d}\u{430}@example.org"),
        ] {
            let hash = |address: &Address| {
                let mut hasher = std::hash::DefaultHasher::new();
                address.hash(&mut hasher);
                hasher.finish()
            };
            let (one, other) = (address(one), address(other));
            assert_eq!((&one, one.key(), hash(&one)), (&other, other.key(), hash(&other)));
        }
    }

    #[test]
    fn the_order_is_that_of_the_keys() {
        let texts = ["kate", "KATE", "\u{212a}ate", "L\u{e4}", "z", "\u{17f}", "\u{130}da", "Zed", "_", "[x"];
        let all: Vec<Address> = texts.iter().filter_map(|local| format!("{local}@example.org").parse().ok()).collect();
        for (one, other) in all.iter().flat_map(|one| all.iter().map(move |other| (one, other))) {
            assert_eq!(one.cmp(other), one.key().cmp(&other.key()), "{one} {other}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_a_reason() {
        for text in [
            "",
            "@",
            "bob",
            "bob@",
            "@example.net",
            "a b@example.net",
            "bob@exa mple.net",
            "bob@[192.0.2.1]",
            "a@b@c\n",
            "bob@-.example",
            ".bob@example.net",
            "Bob <bob@example.net>",
        ] {
            let error = text.parse::<Address>().expect_err(text);
            assert!(!error.reason.is_empty(), "{text}");
        }
        assert!(format!("{}@example.net", "a".repeat(300)).parse::<Address>().is_err());
    }

    #[test]
    fn a_local_part_that_holds_an_address_may_be_long() {
        let path =
            format!("dev-bounces+firstname.lastname=a-department.example.net.{}@lists.example.org", "a".repeat(24));
        assert_eq!(address(&path).as_str(), path);
        let long = "a".repeat(60);
        for bad in
            [format!("{long}..{long}"), format!("{long}{long}."), format!("{long}{long} "), format!("\"{long}{long}\"")]
        {
            assert!(format!("{bad}@example.org").parse::<Address>().is_err(), "{bad}");
        }
    }
}
