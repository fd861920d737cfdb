//! Replies (RFC 5321 §4.2) with enhanced status codes (RFC 2034).

use std::borrow::Cow;

use crate::data::Fault;

/// Octets of text in one line of a reply; with the codes and the CRLF that stays below the 512 of RFC 5321 §4.5.3.1.5.
const MAX_TEXT: usize = 450;

/// A reply: code, enhanced status code, one or several lines of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    code: u16,
    status: Cow<'static, str>,
    lines: Vec<String>,
}

impl Reply {
    /// A reply of one line. The text may come from anywhere; what does not belong into a reply is replaced.
    pub(crate) fn new(code: u16, status: &'static str, text: &str) -> Self {
        Reply { code, status: Cow::Borrowed(status), lines: vec![one_line(text)] }
    }

    /// A reply without an enhanced status code: greetings, and 354 (RFC 2034 §3).
    pub(crate) fn plain(code: u16, lines: &[String]) -> Self {
        Reply { code, status: Cow::Borrowed(""), lines: lines.iter().map(|line| one_line(line)).collect() }
    }

    /// The refusal that a reception asks for. Codes that are none, or that would tell the client something else than a
    /// refusal, are put right: a stray 250 would lose the message.
    pub(crate) fn refusal(code: u16, status: &str, text: &str) -> Self {
        let code = match code {
            // It announces that the connection is closed (RFC 5321 §3.8), and it is not.
            421 => 451,
            400..=599 => code,
            _ => 554,
        };
        let class = code / 100;
        let status = if is_status(status, class) { status.to_owned() } else { format!("{class}.0.0") };
        Reply { code, status: Cow::Owned(status), lines: vec![one_line(text)] }
    }

    /// The reply code.
    pub(crate) fn code(&self) -> u16 {
        self.code
    }

    /// Adds the reply to what is to be sent.
    pub(crate) fn write(&self, output: &mut Vec<u8>) {
        for (number, line) in self.lines.iter().enumerate() {
            let dash = if number + 1 < self.lines.len() { '-' } else { ' ' };
            let space = if self.status.is_empty() { "" } else { " " };
            output.extend_from_slice(format!("{}{dash}{}{space}{line}\r\n", self.code, self.status).as_bytes());
        }
    }
}

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.code, self.status, self.lines.join(" "))
    }
}

impl From<Fault> for Reply {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::BareLf => Reply::new(550, "5.6.0", "the message has a LF without CR (RFC 5321 section 2.3.8)"),
            Fault::BareCr => Reply::new(550, "5.6.0", "the message has a CR without LF (RFC 5321 section 2.3.8)"),
            Fault::Nul => Reply::new(550, "5.6.0", "the message has a NUL octet (RFC 2045 section 2.8)"),
            Fault::NoMemory => Reply::no_memory(),
        }
    }
}

impl Reply {
    /// Too much mail at once.
    pub(crate) fn no_memory() -> Self {
        Reply::new(452, "4.3.1", "too many messages are arriving now, try again later")
    }

    /// A disk is full, or nearly (RFC 3463 §3.4).
    pub(crate) fn no_room() -> Self {
        Reply::new(452, "4.3.1", "there is no room for more mail now, try again later")
    }

    /// A failure of ours that will pass.
    pub(crate) fn unavailable() -> Self {
        Reply::new(451, "4.3.0", "this cannot be done now, try again later")
    }

    /// The message is, or says it is, longer than `limit` octets.
    pub(crate) fn too_large(limit: u64) -> Self {
        Reply::new(552, "5.3.4", &format!("the message is too large, at most {limit} octets are taken"))
    }

    /// Nobody has that address.
    pub(crate) fn unknown_recipient() -> Self {
        Reply::new(550, "5.1.1", "there is no such address here")
    }

    /// A command at the wrong time.
    pub(crate) fn out_of_order(text: &str) -> Self {
        Reply::new(503, "5.5.1", text)
    }

    /// RFC 6531 §3.5: a UTF-8 address in a transaction that was not announced as SMTPUTF8.
    pub(crate) fn needs_smtputf8() -> Self {
        Reply::new(553, "5.6.7", "an address outside of ASCII needs SMTPUTF8 at MAIL")
    }
}

/// The text in printable ASCII, on one line, of a length that fits.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|char| match char {
            ' '..='~' => char,
            char if char.is_whitespace() => ' ',
            _ => '?',
        })
        .take(MAX_TEXT)
        .collect()
}

/// RFC 3463 §2: class "." subject "." detail, the class being that of the reply code.
fn is_status(text: &str, class: u16) -> bool {
    let mut parts = text.split('.');
    let number = |part: Option<&str>| {
        part.is_some_and(|part| (1..=3).contains(&part.len()) && part.bytes().all(|octet| octet.is_ascii_digit()))
    };
    parts.next() == Some(&class.to_string()) && number(parts.next()) && number(parts.next()) && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(reply: &Reply) -> String {
        let mut output = Vec::new();
        reply.write(&mut output);
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn lines_are_joined_by_dashes() {
        let reply = Reply::plain(250, &["mx.example.org".into(), "SIZE 5".into()]);
        assert_eq!(written(&reply), "250-mx.example.org\r\n250 SIZE 5\r\n");
        assert_eq!(written(&Reply::new(250, "2.0.0", "fine")), "250 2.0.0 fine\r\n");
    }

    #[test]
    fn a_text_from_outside_stays_one_short_line_of_ascii() {
        assert_eq!(written(&Reply::new(550, "5.1.1", "a\r\n250 2.0.0 é\0")), "550 5.1.1 a  250 2.0.0 ??\r\n");
        assert!(written(&Reply::new(550, "5.1.1", &"x".repeat(9_999))).len() <= 512);
    }

    #[test]
    fn a_refusal_is_never_a_success() {
        for (code, status, expected) in [
            (554, "5.4.6", "554 5.4.6"),
            (450, "4.2.1", "450 4.2.1"),
            (250, "2.0.0", "554 5.0.0"),
            (421, "4.3.2", "451 4.3.2"),
            (0, "", "554 5.0.0"),
            (550, "4.1.1", "550 5.0.0"),
            (550, "5.1", "550 5.0.0"),
            (550, "5.1.1.1", "550 5.0.0"),
            (550, "5.1.1\r\n250 ok", "550 5.0.0"),
            (550, "5..1", "550 5.0.0"),
        ] {
            assert_eq!(written(&Reply::refusal(code, status, "no")), format!("{expected} no\r\n"));
        }
    }
}
