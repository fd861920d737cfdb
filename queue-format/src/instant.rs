//! Instants as they stand in an entry: RFC 3339 in UTC, one form, years that every language can hold.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serializer, de, ser};

/// 1970 and later: file names carry microseconds since then, unsigned. Before 9999: the last days of that year are
/// beyond what some languages (and jiff) hold.
fn is_writable(instant: Timestamp) -> bool {
    const END: i64 = 253_370_764_800; // 9999-01-01T00:00:00Z
    (0..END).contains(&instant.as_second()) && instant >= Timestamp::UNIX_EPOCH
}

/// `2026-01-31T12:00:00Z` or with one to nine digits of a second's fraction. Nothing else of what RFC 3339 allows:
/// no offset but Z, no lower case, no leap second, no space for the T.
fn parse(text: &str) -> Option<Timestamp> {
    let (seconds, fraction) = text.strip_suffix('Z')?.split_at_checked(19)?;
    let shape = seconds.bytes().zip(b"0000-00-00T00:00:00").all(|(byte, form)| match form {
        b'0' => byte.is_ascii_digit(),
        mark => byte == *mark,
    });
    let fraction_fits = fraction.is_empty()
        || fraction
            .strip_prefix('.')
            .is_some_and(|digits| (1..=9).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()));
    if !shape || !fraction_fits || seconds.ends_with("60") {
        return None;
    }
    text.parse().ok().filter(|instant| is_writable(*instant))
}

pub(crate) fn serialize<S: Serializer>(instant: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    if !is_writable(*instant) {
        return Err(ser::Error::custom(format_args!("the instant {instant} is outside of the years 1970 to 9998")));
    }
    to.collect_str(instant)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(from)?;
    parse(&text).ok_or_else(|| {
        de::Error::custom(format_args!("{text:?} is not an instant in UTC such as \"2026-01-31T12:00:00.25Z\""))
    })
}

/// The same for fields that may be absent; `null` is not absent.
pub(crate) mod optional {
    use super::{Deserializer, Serializer, Timestamp};

    #[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
    pub(crate) fn serialize<S: Serializer>(instant: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
        match instant {
            Some(instant) => super::serialize(instant, to),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
        super::deserialize(from).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form_of_many_is_taken() {
        for text in [
            "1970-01-01T00:00:00Z",
            "2026-01-31T12:00:00.250Z",
            "9998-12-31T23:59:59.999999999Z",
            "2024-02-29T00:00:00Z",
        ] {
            assert!(parse(text).is_some(), "{text}");
        }
        for text in [
            "",
            "Z",
            "2026-01-31T12:00:00",
            "2026-01-31T12:00:00+00:00",
            "2026-01-31T12:00Z",
            "2026-01-31 12:00:00Z",
            "2026-01-31t12:00:00z",
            "2026-01-31T12:00:60Z",
            "2026-01-31T24:00:00Z",
            "2026-02-29T12:00:00Z",
            "2026-01-31T12:00:00.Z",
            "2026-01-31T12:00:00,5Z",
            "2026-01-31T12:00:00.0123456789Z",
            "1969-12-31T23:59:59.999Z",
            "9999-01-01T00:00:00Z",
            "+002026-01-31T12:00:00Z",
            "2026-01-31T12:00:0\u{661}Z",
            "2026-01-31T12:00:00é.Z",
        ] {
            assert!(parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn the_ends_of_what_can_be_written() {
        assert!(is_writable(Timestamp::UNIX_EPOCH));
        assert!(!is_writable(Timestamp::new(0, -1).unwrap()));
        assert!(!is_writable(Timestamp::MAX));
        assert!(is_writable("9998-12-31T23:59:59.999999999Z".parse().unwrap()));
    }
}
