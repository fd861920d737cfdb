//! Enhanced status codes (RFC 3463).

use std::fmt;
use std::str::FromStr;

/// An enhanced status code, as in `5.1.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StatusCode {
    /// 2 success, 4 persistent transient failure, 5 permanent failure.
    pub class: u8,
    /// What it is about: 1 address, 2 mailbox, 3 mail system, 4 network, 5 protocol, 6 content, 7 security; 0 anything.
    pub subject: u16,
    /// Which condition.
    pub detail: u16,
}

impl StatusCode {
    /// The first code that stands in `text`, with no digit, dot or letter around it: `550 5.1.1 unknown` holds one, an IP
    /// address does not.
    pub fn find(text: &str) -> Option<StatusCode> {
        let part = |c: char| c.is_ascii_digit() || c == '.';
        text.split(|c: char| !part(c) && !c.is_alphanumeric()).find_map(|word| word.trim_end_matches('.').parse().ok())
    }

    /// The next host may take it later.
    pub fn is_temporary(self) -> bool {
        self.class == 4
    }
}

impl FromStr for StatusCode {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut numbers = text.split('.').map(number);
        let (Some(Some(class)), Some(Some(subject)), Some(Some(detail)), None) =
            (numbers.next(), numbers.next(), numbers.next(), numbers.next())
        else {
            return Err(());
        };
        let class = u8::try_from(class).ok().filter(|class| matches!(class, 2 | 4 | 5)).ok_or(())?;
        Ok(StatusCode { class, subject, detail })
    }
}

/// RFC 3463 §2: one to three digits.
fn number(text: &str) -> Option<u16> {
    let digits = (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

#[cfg(test)]
mod tests {
    use super::StatusCode;

    fn find(text: &str) -> Option<String> {
        StatusCode::find(text).map(|code| code.to_string())
    }

    #[test]
    fn codes_are_found_and_other_numbers_are_not() {
        for (text, code) in [
            ("5.1.1", Some("5.1.1")),
            ("550 5.7.520 Access denied", Some("5.7.520")),
            ("550-5.1.1 The account", Some("5.1.1")),
            ("(#5.1.1)", Some("5.1.1")),
            ("#<bob@example.net #5.0.0 smtp; 550>", Some("5.0.0")),
            ("unknown (5.2.1).", Some("5.2.1")),
            ("4.4.7.", Some("4.4.7")),
            ("192.0.2.1 said 550", None),
            ("5.192.0.2", None),
            ("version 3.1.1", None),
            ("5.1", None),
            ("5.1.1111", None),
            ("v5.1.1", None),
            ("5..1", None),
            ("", None),
        ] {
            assert_eq!(find(text).as_deref(), code, "{text:?}");
        }
    }
}
