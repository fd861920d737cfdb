//! Reply lines as they come from the socket, bounded and checked, and in a form that lettre reads.

use std::io;

use tokio::io::ReadBuf;

/// The longest line that is read; RFC 5321 §4.5.3.1.5 says 512 and advises tolerance.
const MAX_LINE: usize = 8 * 1024;
/// The most lines of one reply.
const MAX_LINES: usize = 150;
/// What lettre gets of a line's text: it refuses lines of more than 1,000 bytes.
const MAX_HANDED_ON: usize = 500;

/// A whole reply: its code and the text of its lines.
pub(crate) type Said = (u16, Vec<String>);

/// Reads replies and keeps the last one.
#[derive(Debug, Default)]
pub(crate) struct ReplyReader {
    received: Vec<u8>,
    line: Vec<u8>,
    handed_on: usize,
    lines: Vec<String>,
    code: Option<u16>,
    last: Option<Said>,
}

impl ReplyReader {
    /// Bytes from the socket.
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
    }

    /// Puts (the rest of) the next line into `out`; false when no whole line is there.
    pub(crate) fn hand_on(&mut self, out: &mut ReadBuf<'_>) -> io::Result<bool> {
        if self.handed_on == self.line.len() && !self.next_line()? {
            return Ok(false);
        }
        let rest = &self.line[self.handed_on..];
        let count = rest.len().min(out.remaining());
        out.put_slice(&rest[..count]);
        self.handed_on += count;
        Ok(true)
    }

    /// The last whole reply: its code and the text of its lines.
    pub(crate) fn last(&self) -> Option<Said> {
        self.last.clone()
    }

    /// The line handed on was the last one of its reply.
    pub(crate) fn is_between(&self) -> bool {
        self.code.is_none()
    }

    /// Nothing has been received beyond the replies that were handed on.
    pub(crate) fn is_drained(&self) -> bool {
        self.received.is_empty() && self.handed_on == self.line.len()
    }

    /// Octets that have been received and not been asked for yet.
    pub(crate) fn waiting(&self) -> usize {
        self.received.len()
    }

    /// The first line of what has been received beyond the replies that were asked for, as far as it is there.
    pub(crate) fn uninvited(&self) -> String {
        let first = self.received.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let text = String::from_utf8_lossy(&first[..first.len().min(MAX_HANDED_ON)]);
        text.trim_end().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
    }

    /// The next whole reply, without a word to lettre.
    pub(crate) fn next(&mut self) -> io::Result<Option<Said>> {
        while let Some((_, last, _)) = self.read_line()? {
            if last {
                return Ok(self.last.take());
            }
        }
        Ok(None)
    }

    fn next_line(&mut self) -> io::Result<bool> {
        let Some((code, last, text)) = self.read_line()? else { return Ok(false) };
        self.line = line_for_lettre(code, last, &text);
        self.handed_on = 0;
        Ok(true)
    }

    /// The next line: its code, whether it ends its reply, its text.
    fn read_line(&mut self) -> io::Result<Option<(u16, bool, String)>> {
        let Some(end) = self.received.iter().position(|byte| *byte == b'\n') else {
            return if self.received.len() > MAX_LINE { Err(garbage("a reply line without an end")) } else { Ok(None) };
        };
        if end > MAX_LINE {
            return Err(garbage("a reply line that is too long"));
        }
        let raw: Vec<u8> = self.received.drain(..=end).collect();
        let (code, last, text) = parsed(&raw).ok_or_else(|| garbage("something that is not an SMTP reply"))?;
        if *self.code.get_or_insert(code) != code {
            return Err(garbage("a reply with two codes"));
        }
        if self.lines.len() == MAX_LINES {
            return Err(garbage("a reply that does not end"));
        }
        self.lines.push(text.clone());
        if last {
            self.code = None;
            self.last = Some((code, std::mem::take(&mut self.lines)));
        }
        Ok(Some((code, last, text)))
    }
}

fn garbage(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the next host sent {what}"))
}

/// Code, whether it is the last line, and the text without control characters (RFC 5321 §4.2).
fn parsed(raw: &[u8]) -> Option<(u16, bool, String)> {
    let line = raw.strip_suffix(b"\n")?;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (digits, rest) = line.split_at_checked(3)?;
    let code: u16 =
        digits.iter().all(u8::is_ascii_digit).then(|| std::str::from_utf8(digits).ok()?.parse().ok()).flatten()?;
    if !(200..600).contains(&code) {
        return None;
    }
    let (last, text) = match rest {
        // A code alone is a reply: RFC 5321 §4.2 asks clients to take it.
        [] => (true, rest),
        [b' ', text @ ..] => (true, text),
        [b'-', text @ ..] => (false, text),
        _ => return None,
    };
    let text = String::from_utf8_lossy(text).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    Some((code, last, text))
}

/// The line in a form that lettre reads: its second digit may be 0 to 5 only, where RFC 5321 §4.3.2 lets a client go by the first.
fn line_for_lettre(code: u16, last: bool, text: &str) -> Vec<u8> {
    let (class, category, detail) = (code / 100, (code / 10 % 10).min(5), code % 10);
    let short: String = text
        .chars()
        .scan(0, |size, c| {
            *size += c.len_utf8();
            (*size <= MAX_HANDED_ON).then_some(c)
        })
        .collect();
    format!("{class}{category}{detail}{}{short}\r\n", if last { ' ' } else { '-' }).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that comes of these bytes: what lettre gets, and the last reply.
    fn read(bytes: &[u8]) -> io::Result<(String, Option<Said>)> {
        let mut reader = ReplyReader::default();
        reader.take(bytes);
        let mut handed_on = String::new();
        loop {
            let mut space = [0_u8; 7];
            let mut out = ReadBuf::new(&mut space);
            if !reader.hand_on(&mut out)? {
                return Ok((handed_on, reader.last()));
            }
            handed_on.push_str(std::str::from_utf8(out.filled()).unwrap());
        }
    }

    #[test]
    fn replies_of_every_form_are_read() {
        let (handed_on, last) = read(b"250-one\r\n250 two\r\n").unwrap();
        assert_eq!(handed_on, "250-one\r\n250 two\r\n");
        assert_eq!(last, Some((250, vec!["one".to_owned(), "two".to_owned()])));
        for (bytes, code, text, for_lettre) in [
            (&b"571 5.7.1 no\r\n"[..], 571, "5.7.1 no", "551 5.7.1 no\r\n"),
            (b"550 Empf\xe4nger unbekannt\n", 550, "Empf\u{fffd}nger unbekannt", "550 Empf\u{fffd}nger unbekannt\r\n"),
            (b"250\r\n", 250, "", "250 \r\n"),
            (b"450 a\x00b\r\n", 450, "a b", "450 a b\r\n"),
        ] {
            let (handed_on, last) = read(bytes).unwrap();
            assert_eq!((handed_on.as_str(), last), (for_lettre, Some((code, vec![text.to_owned()]))));
        }
    }

    #[test]
    fn garbage_is_an_error_and_never_a_reply() {
        let endless = "250-x\r\n".repeat(200);
        for bytes in [
            &b"\r\n"[..],
            b"25\r\n",
            b"hello\r\n",
            b"250x\r\n",
            b"99 x\r\n",
            b"100 x\r\n",
            b"600 x\r\n",
            b"+50 x\r\n",
            b"250-a\r\n251 b\r\n",
            &[b'2'; 9000],
            endless.as_bytes(),
            b"SSH-2.0-x\r\n",
            b"\x16\x03\x01\n",
        ] {
            read(bytes).expect_err(&String::from_utf8_lossy(&bytes[..bytes.len().min(20)]));
        }
    }

    #[test]
    fn what_comes_behind_a_reply_is_seen() {
        let mut reader = ReplyReader::default();
        reader.take(b"220 go\r\n250 injected\r\n");
        let mut space = [0_u8; 100];
        let mut out = ReadBuf::new(&mut space);
        assert!(reader.hand_on(&mut out).unwrap());
        assert_eq!(out.filled(), b"220 go\r\n");
        assert!(!reader.is_drained());
    }
}
