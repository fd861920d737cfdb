//! The form of a member in a roster: some 30 octets with the key, because a site may have millions.
//!
//! ```text
//! value = field*          a field that has its default is not there
//! field = tag (1 octet), length (LEB128), text
//! ```
//! The key is the address's key; the address is written again only where it differs from that.

use std::str::FromStr;

use listmill_core::{Address, Member, Unavailable};

use super::maps::damaged;
use crate::blocks::{read_length, write_length};

const WRITTEN: u8 = 1;
const NAME: u8 = 2;
const ROLES: u8 = 3;
const DELIVERY: u8 = 4;
const MODERATION: u8 = 5;
const LANGUAGE: u8 = 6;
const JOINED: u8 = 7;
const PREFERENCES: u8 = 8;
const RESUMES: u8 = 9;

/// The key and value of a member.
pub(super) fn encode(member: &Member) -> (Vec<u8>, Vec<u8>) {
    let key = member.address.key();
    let plain = Member::new(member.address.clone(), 0);
    let mut value = Vec::with_capacity(16);
    let mut put = |tag: u8, differs: bool, text: &dyn Fn() -> String| {
        if differs {
            let text = text();
            value.push(tag);
            write_length(&mut value, text.len());
            value.extend_from_slice(text.as_bytes());
        }
    };
    put(WRITTEN, key != member.address.as_str(), &|| member.address.to_string());
    put(NAME, member.name != plain.name, &|| member.name.clone());
    put(ROLES, member.roles != plain.roles, &|| member.roles.to_string());
    put(DELIVERY, member.delivery != plain.delivery, &|| member.delivery.to_string());
    put(MODERATION, member.moderation != plain.moderation, &|| member.moderation.to_string());
    put(LANGUAGE, member.language != plain.language, &|| member.language.clone().unwrap_or_default());
    put(JOINED, member.joined != plain.joined, &|| member.joined.to_string());
    put(PREFERENCES, member.preferences != plain.preferences, &|| member.preferences.to_string());
    put(RESUMES, member.resumes != plain.resumes, &|| member.resumes.map(|at| at.to_string()).unwrap_or_default());
    (key.into_bytes(), value)
}

/// The member of a key and value.
pub(super) fn decode(key: &[u8], mut value: &[u8]) -> Result<Member, Unavailable> {
    let key = std::str::from_utf8(key).map_err(|error| wrong(&error))?;
    let mut fields: [Option<&str>; 10] = [None; 10];
    while let Some((tag, rest)) = value.split_first() {
        value = rest;
        let length = read_length(&mut value)?;
        let (text, rest) = value.split_at_checked(length).ok_or_else(|| wrong(&"it ends too early"))?;
        value = rest;
        let field = fields.get_mut(usize::from(*tag)).ok_or_else(|| wrong(&format!("field {tag} is not known")))?;
        *field = Some(std::str::from_utf8(text).map_err(|error| wrong(&error))?);
    }
    let field = |tag: u8| fields[usize::from(tag)];
    let address: Address = parsed(field(WRITTEN).unwrap_or(key))?;
    let mut member = Member::new(address, field(JOINED).map_or(Ok(0), parsed)?);
    member.name = field(NAME).unwrap_or_default().to_owned();
    member.language = field(LANGUAGE).map(str::to_owned);
    if let Some(roles) = field(ROLES) {
        member.roles = parsed(roles)?;
    }
    if let Some(delivery) = field(DELIVERY) {
        member.delivery = parsed(delivery)?;
    }
    if let Some(moderation) = field(MODERATION) {
        member.moderation = parsed(moderation)?;
    }
    if let Some(preferences) = field(PREFERENCES) {
        member.preferences = parsed(preferences)?;
    }
    member.resumes = field(RESUMES).map(parsed).transpose()?;
    Ok(member)
}

fn parsed<T: FromStr<Err: ToString>>(text: &str) -> Result<T, Unavailable> {
    text.parse().map_err(|error: T::Err| wrong(&error.to_string()))
}

fn wrong(why: &dyn ToString) -> Unavailable {
    damaged("Member", &why.to_string())
}

#[cfg(test)]
mod tests {
    use listmill_core::{Action, By, Delivery, Moderation, Preferences, Role, Roles};

    use super::*;

    #[test]
    fn a_member_comes_back_as_it_was_and_a_plain_one_is_small() {
        let plain = Member::new("user000001@example.net".parse().unwrap(), 1_700_000_000);
        let mut full = Member::new("Bob.Jones@example.net".parse().unwrap(), -5);
        full.name = "Bob \u{1f600} Jones".to_owned();
        full.roles = Roles::only(Role::Owner).with(Role::Moderator);
        full.delivery = Delivery::Off(By::Bounces);
        full.moderation = Moderation::Always(Action::Hold);
        full.language = Some("pt-BR".to_owned());
        full.preferences = Preferences { ack: true, myposts: false, duplicates: false, hide: true };
        full.resumes = Some(-7);
        let mut nobody = Member::new("\u{fc}ser@example.net".parse().unwrap(), 0);
        nobody.roles = Roles::NONE;
        nobody.language = Some(String::new());
        for member in [&plain, &full, &nobody] {
            let (key, value) = encode(member);
            let back = decode(&key, &value).unwrap();
            assert_eq!(&back, member);
            assert_eq!(back.address.as_str(), member.address.as_str());
        }
        let (key, value) = encode(&plain);
        assert_eq!(key.len() + value.len(), 22 + 12);
    }

    #[test]
    fn what_the_first_release_wrote_is_read() {
        let member = decode(b"bob@example.net", b"\x04\x0aoff:member\x07\x0a1700000000").unwrap();
        let mut expected = Member::new("bob@example.net".parse().unwrap(), 1_700_000_000);
        expected.delivery = Delivery::Off(By::Member);
        assert_eq!(member, expected);
    }

    #[test]
    fn what_is_no_member_is_an_error() {
        for value in [
            &b"\x07"[..],
            b"\x07\x05123",
            b"\x0a\x01x",
            b"\x08\x05hide=",
            b"\x09\x01x",
            b"\x03\x03boss"[..5].as_ref(),
            b"\x07\x02\xff\xff",
        ] {
            assert!(decode(b"bob@example.net", value).is_err(), "{value:?}");
        }
        assert!(decode(b"no address", b"").is_err());
    }
}
