//! The part of a token that nobody makes without a key of the site: 26 base32 digits, 128 bits.

use data_encoding::BASE32_NOPAD;
use listmill_core::SigningKeys;

use crate::mac::{self, Purpose};

const MAC_OCTETS: usize = 16;

/// The digits that prove `fields`, in lower case.
pub(super) fn prove(keys: &SigningKeys, purpose: Purpose, fields: &[&[u8]]) -> String {
    let mac: [u8; MAC_OCTETS] = mac::sign(keys, purpose, fields);
    BASE32_NOPAD.encode(&mac).to_ascii_lowercase()
}

/// `digits` prove `fields`. Takes the same time wherever they differ from the right ones.
pub(super) fn proved(keys: &SigningKeys, purpose: Purpose, fields: &[&[u8]], digits: &str) -> bool {
    octets(digits).is_some_and(|mac| mac::verify(keys, purpose, fields, &mac))
}

/// What `digits` stand for, in either case; none when they are not of this shape.
pub(super) fn octets(digits: &str) -> Option<[u8; MAC_OCTETS]> {
    BASE32_NOPAD.decode(digits.to_ascii_uppercase().as_bytes()).ok()?.try_into().ok()
}

/// The number that `digits` of this base stand for; none when it is not written as we write it.
pub(super) fn number(digits: &str, base: u32) -> Option<u64> {
    let first = digits.bytes().next()?;
    let number = u64::from_str_radix(digits, base).ok()?;
    (first.is_ascii_alphanumeric() && (first != b'0' || digits.len() == 1)).then_some(number)
}

/// A number in base 36, in lower case.
pub(super) fn base36(mut number: u64) -> String {
    let mut digits = Vec::new();
    loop {
        digits.extend(u32::try_from(number % 36).ok().and_then(|digit| char::from_digit(digit, 36)));
        number /= 36;
        if number == 0 {
            return digits.iter().rev().collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_has_one_form() {
        for good in ["0", "7", "10", "18446744073709551615"] {
            assert_eq!(number(good, 10).unwrap().to_string(), good);
        }
        for bad in ["", "+1", "-1", "01", "00", "1 ", " 1", "1a", "\u{661}", "18446744073709551616"] {
            assert_eq!(number(bad, 10), None, "{bad}");
        }
        assert_eq!(
            (base36(0), base36(35), base36(36), base36(u64::MAX)),
            ("0".into(), "z".into(), "10".into(), "3w5e11264sgsf".into())
        );
        assert_eq!(number("Zz", 36), Some(35 * 36 + 35), "letters in either case");
    }

    proptest! {
        #[test]
        fn numbers_come_back(one in any::<u64>()) {
            prop_assert_eq!(number(&base36(one), 36), Some(one));
        }
    }
}
