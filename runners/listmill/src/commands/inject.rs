//! `listmill inject`: one message from standard input, through the same gate as LMTP.

use std::io::Read;

use listmill_core::Address;
use listmill_intake::{Answer, Reception, Replies, Verdict};
use listmill_mail::author::{Authorship, author};
use listmill_mail::limits::excess;
use listmill_mail::message::Message;
use listmill_queue_format::{BodyKind, Client, Envelope, Queue};
use listmill_runner::config::Site;

use crate::backends::Stay;
use crate::failure::{Failure, Outcome};
use crate::{output, serve, wiring};

pub(crate) fn run(site: &Site, to: Vec<String>, from: Option<String>) -> Outcome {
    let mut message = Vec::new();
    let limit = site.max_message_size;
    let mut input = std::io::stdin().lock().take(limit + 1);
    input.read_to_end(&mut message).map_err(|error| Failure::io("read standard input", &error))?;
    if message.len() as u64 > limit {
        return Err(Failure::data(format!("the message is larger than [inbound] max_message_size ({limit} octets)")));
    }
    check(&message)?;
    let kit = serve::kit(site, &[Queue::Inbound], Stay::Short)?;
    let gate = wiring::gate(site, kit.shell);
    to.iter().try_for_each(|address| known(&gate, address))?;
    let message = crlf(message);
    let envelope = Envelope {
        sender: sender(from, &message)?,
        recipients: to,
        smtputf8: false,
        body: if message.is_ascii() { BodyKind::SevenBit } else { BodyKind::EightBitMime },
        client: Some(Client { address: "local".to_owned(), protocol: "local".to_owned(), ..Client::default() }),
        other: serde_json::Map::new(),
    };
    // All or nothing: a command that failed for one address can be repeated as a whole.
    for answer in gate.accept(envelope, message.into(), Replies::Together) {
        match answer {
            Answer::Stored(id) => output::line(id.to_string())?,
            Answer::Refused { status, text, .. } => return Err(Failure::data(format!("refused: {status} {text}"))),
            Answer::Later { text } => return Err(Failure::try_again(text)),
        }
    }
    Ok(())
}

fn known(gate: &impl Reception, address: &str) -> Outcome {
    match gate.recipient(address) {
        Verdict::Accept { .. } => Ok(()),
        Verdict::Unknown => Err(Failure::data(format!("no list has the address {address}: see `listmill list ls`"))),
        Verdict::Invalid(reason) => Err(Failure::usage(format!("{address:?} is not a mail address: {reason}"))),
        Verdict::Unavailable(reason) => Err(Failure::try_again(reason)),
    }
}

/// The envelope sender as it is given, or else the author, as a mail program on this host would have it.
pub(crate) fn sender(given: Option<String>, message: &[u8]) -> Outcome<String> {
    match given {
        Some(given) if given.is_empty() => Ok(given),
        Some(given) => given.parse::<Address>().map(|_| given).map_err(Failure::usage),
        None => Ok(match author(&Message::parse(message)) {
            Authorship::Known(author) => author.address,
            Authorship::Doubt(_) => String::new(),
        }),
    }
}

/// What the intake would refuse, too.
pub(crate) fn check(message: &[u8]) -> Outcome {
    if message.is_empty() {
        return Err(Failure::data("there is no message on standard input"));
    }
    if let Some(reason) = excess(message) {
        return Err(Failure::data(format!("refused: 5.6.0 {reason}")));
    }
    // RFC 5322 §2.3 and RFC 2045 §2.8: no message has one.
    if message.contains(&0) {
        return Err(Failure::data("refused: 5.6.0 the message has a NUL octet: it is no message"));
    }
    Ok(())
}

/// Unix programs hand in lines that end in LF; a message has CRLF (RFC 5322 §2.3).
pub(crate) fn crlf(message: Vec<u8>) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + message.len() / 32);
    let mut bytes = message.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\r' => {
                bytes.next_if_eq(&b'\n');
                out.extend_from_slice(b"\r\n");
            }
            b'\n' => out.extend_from_slice(b"\r\n"),
            _ => out.push(byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{check, crlf};

    #[test]
    fn every_line_end_becomes_crlf() {
        assert_eq!(crlf(b"a\nb\r\nc\rd".to_vec()), b"a\r\nb\r\nc\r\nd");
    }

    #[test]
    fn what_the_intake_would_refuse_is_not_read() {
        assert!(check(b"From: bob@example.net\r\n\r\nx\r\n").is_ok());
        for bad in [Vec::new(), b"From: b\0b\r\n\r\n".to_vec(), b"A:\r\n".repeat(10_001)] {
            assert!(format!("{:?}", check(&bad).unwrap_err()).contains("code: 65"));
        }
    }
}
