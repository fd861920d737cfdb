//! Command lines (RFC 5321 §4.1.1, RFC 2033 §4.1) and the parameters of the extensions that are offered.
//!
//! Strict where leniency would make two readers see two things (line ends, quoting, brackets), lenient where it cannot
//! (spaces around words).

use listmill_queue_format::BodyKind;

use crate::path::{Path, path};
use crate::reply::Reply;

/// A command that has been understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// HELO, EHLO or LHLO, and what the client calls itself.
    Greet(Greeting, String),
    /// MAIL FROM
    Mail(Mail),
    /// RCPT TO
    Rcpt(Recipient),
    /// DATA
    Data,
    /// RSET
    Rset,
    /// NOOP
    Noop,
    /// VRFY
    Vrfy,
    /// HELP
    Help,
    /// QUIT
    Quit,
}

/// Whom RCPT names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Recipient {
    /// An address.
    Address(String),
    /// The bare `<postmaster>`.
    Postmaster,
}

/// The three words that begin a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Greeting {
    /// SMTP without extensions.
    Helo,
    /// SMTP.
    Ehlo,
    /// LMTP.
    Lhlo,
}

/// What MAIL says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Mail {
    /// The envelope sender; empty for the null reverse-path.
    pub(crate) sender: String,
    /// SIZE= (RFC 1870).
    pub(crate) size: Option<u64>,
    /// BODY= (RFC 6152).
    pub(crate) body: BodyKind,
    /// SMTPUTF8 (RFC 6531).
    pub(crate) smtputf8: bool,
}

/// Why a line is no command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Misread {
    /// It is answered, and counted as an error.
    Wrong(Reply),
    /// It is another protocol's; the connection is closed.
    Foreign,
}

/// Words of HTTP. A browser can be made to send a form to any port of its own host; what it sends must not be read as
/// mail, line by line, until a command comes.
const HTTP: [&str; 9] = ["GET", "POST", "PUT", "HEAD", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"];

/// Commands that are known and not offered.
const NOT_OFFERED: [&str; 11] =
    ["BDAT", "STARTTLS", "AUTH", "EXPN", "ETRN", "ATRN", "TURN", "BURL", "SEND", "SOML", "SAML"];

/// Reads a command line, which comes without its CRLF.
///
/// # Errors
/// The reply to a line that is no command of ours.
pub(crate) fn parse(line: &[u8]) -> Result<Command, Misread> {
    let line = std::str::from_utf8(line).map_err(|_| wrong(500, "5.5.2", "the command is not in UTF-8"))?;
    if line.chars().any(|char| char.is_control() && char != '\t') {
        return Err(wrong(500, "5.5.2", "the command has a control character"));
    }
    let line = line.trim_end_matches([' ', '\t']);
    let (verb, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let rest = rest.trim_start_matches([' ', '\t']);
    let verb = verb.to_ascii_uppercase();
    match verb.as_str() {
        "EHLO" => greet(Greeting::Ehlo, rest),
        "HELO" => greet(Greeting::Helo, rest),
        "LHLO" => greet(Greeting::Lhlo, rest),
        "MAIL" => mail(rest),
        "RCPT" => rcpt(rest),
        "DATA" => bare(Command::Data, rest),
        "RSET" => bare(Command::Rset, rest),
        "QUIT" => bare(Command::Quit, rest),
        "NOOP" => Ok(Command::Noop),
        "HELP" => Ok(Command::Help),
        "VRFY" if rest.is_empty() => Err(wrong(501, "5.5.4", "VRFY whom?")),
        "VRFY" => Ok(Command::Vrfy),
        verb if HTTP.contains(&verb) || (verb.len() > 1 && verb.ends_with(':')) => Err(Misread::Foreign),
        // RFC 5321 §4.2.4: known to the server, and not implemented.
        verb if NOT_OFFERED.contains(&verb) => Err(wrong(502, "5.5.1", "this command is not offered here")),
        _ => Err(wrong(500, "5.5.1", "this command is unknown here")),
    }
}

fn wrong(code: u16, status: &'static str, text: &str) -> Misread {
    Misread::Wrong(Reply::new(code, status, text))
}

fn bare(command: Command, rest: &str) -> Result<Command, Misread> {
    if rest.is_empty() { Ok(command) } else { Err(wrong(501, "5.5.4", "this command takes no parameters")) }
}

fn greet(greeting: Greeting, host: &str) -> Result<Command, Misread> {
    // Clients call themselves all sorts of things; the name is a comment until somebody verifies it.
    if host.is_empty() {
        return Err(wrong(501, "5.5.4", "the name of the client is missing"));
    }
    Ok(Command::Greet(greeting, host.chars().take(255).collect()))
}

fn rcpt(rest: &str) -> Result<Command, Misread> {
    let rest = keyword(rest, "TO:").ok_or_else(|| wrong(501, "5.5.2", "write RCPT TO:<address>"))?;
    let (path, parameters) = path(rest).map_err(|reason| wrong(501, "5.1.3", reason))?;
    let recipient = match path {
        Path::Null => return Err(wrong(501, "5.1.3", "the address is empty")),
        Path::Postmaster => Recipient::Postmaster,
        Path::Mailbox(address) => Recipient::Address(address),
    };
    match words(parameters)?.next() {
        None => Ok(Command::Rcpt(recipient)),
        // RFC 5321 §4.1.1.11: DSN (RFC 3461) and whatever else was not offered.
        Some(_) => Err(wrong(555, "5.5.4", "no parameters are offered at RCPT")),
    }
}

fn mail(rest: &str) -> Result<Command, Misread> {
    let rest = keyword(rest, "FROM:").ok_or_else(|| wrong(501, "5.5.2", "write MAIL FROM:<address>"))?;
    let (path, parameters) = path(rest).map_err(|reason| wrong(501, "5.1.7", reason))?;
    let sender = match path {
        Path::Null => String::new(),
        Path::Mailbox(address) => address,
        Path::Postmaster => return Err(wrong(501, "5.1.7", "the address has no domain")),
    };
    let mut mail = Mail { sender, ..Mail::default() };
    let mut seen = Vec::new();
    for word in words(parameters)? {
        let (key, value) = word.split_once('=').map_or((word, None), |(key, value)| (key, Some(value)));
        let key = key.to_ascii_uppercase();
        if seen.contains(&key) {
            return Err(wrong(501, "5.5.4", "a parameter is given twice"));
        }
        parameter(&mut mail, &key, value)?;
        seen.push(key);
    }
    Ok(Command::Mail(mail))
}

fn parameter(mail: &mut Mail, key: &str, value: Option<&str>) -> Result<(), Misread> {
    match (key, value) {
        ("SIZE", Some(value)) => mail.size = Some(size(value)?),
        ("BODY", Some(value)) if value.eq_ignore_ascii_case("7BIT") => mail.body = BodyKind::SevenBit,
        ("BODY", Some(value)) if value.eq_ignore_ascii_case("8BITMIME") => mail.body = BodyKind::EightBitMime,
        ("SMTPUTF8", None) => mail.smtputf8 = true,
        // RFC 5321 §4.1.1.11; BODY=BINARYMIME is among them.
        _ => return Err(wrong(555, "5.5.4", "this parameter of MAIL is not offered")),
    }
    Ok(())
}

/// RFC 1870 §6: up to twenty digits, which may be more than 64 bits hold.
fn size(text: &str) -> Result<u64, Misread> {
    if !(1..=20).contains(&text.len()) || !text.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(wrong(501, "5.5.4", "SIZE is not a number of octets"));
    }
    Ok(text.parse().unwrap_or(u64::MAX))
}

/// What stands behind the keyword, in any case; spaces behind the colon are common and harmless.
fn keyword<'a>(text: &'a str, keyword: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(keyword.len())?;
    head.eq_ignore_ascii_case(keyword).then(|| rest.trim_start_matches(' '))
}

/// The parameters behind a path. Something that sticks to the path, as in `<a@b>,<c@d>`, is not one.
fn words(text: &str) -> Result<impl Iterator<Item = &str>, Misread> {
    if text.is_empty() || text.starts_with([' ', '\t']) {
        Ok(text.split([' ', '\t']).filter(|word| !word.is_empty()))
    } else {
        Err(wrong(501, "5.5.2", "behind the address must come a space"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail_of(line: &str) -> Mail {
        match parse(line.as_bytes()) {
            Ok(Command::Mail(mail)) => mail,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn code_of(line: &[u8]) -> u16 {
        match parse(line) {
            Err(Misread::Wrong(reply)) => reply.code(),
            other => panic!("{:?}: {other:?}", String::from_utf8_lossy(line)),
        }
    }

    #[test]
    fn commands_are_read_in_any_case_and_spacing() {
        assert_eq!(parse(b"lhlo client.example"), Ok(Command::Greet(Greeting::Lhlo, "client.example".into())));
        assert_eq!(
            parse(b"rcpt to: <dev@lists.example.org>  "),
            Ok(Command::Rcpt(Recipient::Address("dev@lists.example.org".into())))
        );
        assert_eq!(parse(b"RCPT  TO:<postMASTER>"), Ok(Command::Rcpt(Recipient::Postmaster)));
        assert_eq!(parse(b"data "), Ok(Command::Data));
        assert_eq!(parse(b"NOOP whatever"), Ok(Command::Noop));
    }

    #[test]
    fn the_parameters_of_mail_are_read() {
        let mail = mail_of("MAIL FROM:<bob@example.net> BODY=8bitmime  smtputf8 SIZE=123");
        assert_eq!((mail.size, mail.body, mail.smtputf8), (Some(123), BodyKind::EightBitMime, true));
        assert_eq!(mail_of("MAIL FROM:<>"), Mail::default());
        assert_eq!(mail_of("MAIL FROM:<> SIZE=99999999999999999999").size, Some(u64::MAX));
    }

    #[test]
    fn what_is_wrong_gets_the_code_that_says_so() {
        for (line, code) in [
            (&b"MAIL FROM:bob@example.net"[..], 501),
            (b"MAIL bob", 501),
            (b"MAIL FROM:<postmaster>", 501),
            (b"MAIL FROM:<> SIZE=", 501),
            (b"MAIL FROM:<> SIZE=-1", 501),
            (b"MAIL FROM:<> SIZE=999999999999999999999", 501),
            (b"MAIL FROM:<> SIZE=1 SIZE=2", 501),
            (b"MAIL FROM:<> BODY=BINARYMIME", 555),
            (b"MAIL FROM:<> RET=FULL", 555),
            (b"MAIL FROM:<> SMTPUTF8=1", 555),
            (b"RCPT TO:<>", 501),
            (b"RCPT TO:<a@b>,<c@d>", 501),
            (b"RCPT TO:<a@b> NOTIFY=NEVER", 555),
            (b"DATA now", 501),
            (b"EHLO", 501),
            (b"VRFY", 501),
            (b"BDAT 10 LAST", 502),
            (b"STARTTLS", 502),
            (b"AUTH PLAIN", 502),
            (b"EXPN dev", 502),
            (b"", 500),
            (b"FOO", 500),
            (b"NOOP \xff", 500),
            (b"MAIL FROM:<a\r@b>", 500),
            (b"NOOP \0", 500),
            (b"NOOP \x7f", 500),
        ] {
            assert_eq!(code_of(line), code, "{:?}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn a_browser_is_recognised() {
        for line in ["POST / HTTP/1.1", "get /", "Host: 127.0.0.1:8024"] {
            assert_eq!(parse(line.as_bytes()), Err(Misread::Foreign), "{line}");
        }
    }
}
