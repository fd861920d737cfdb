//! What comes behind `354`: the octets of a message, up to the line with one dot (RFC 5321 §4.1.1.4).
//!
//! Only CRLF.CRLF ends it, wherever the network cuts the octets, so nobody can smuggle a second transaction into a
//! message: servers that end it at LF.LF or at CR.CR differ from those in front of them, and that is the whole trick.
//! A bare CR or LF (RFC 5321 §2.3.8) and a NUL (RFC 2045 §2.8) make a message that hosts behind us refuse; they would
//! refuse it once for every member, and the members' bounce scores would pay for it. So it is refused here, once, when
//! its real end has come. Lines of any length pass, as do octets above 127 without BODY=8BITMIME: both are common, and
//! a post is to leave as it came.

/// Takes the octets of one message as they come.
#[derive(Debug)]
pub(crate) struct DataReader {
    /// A longer message is read to its end, but not kept.
    keep: u64,
    message: Vec<u8>,
    size: u64,
    fault: Option<Fault>,
    state: State,
}

/// What a message must not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// LF without CR in front of it.
    BareLf,
    /// CR without LF behind it.
    BareCr,
    /// The octet 0.
    Nul,
    /// Not the client's: there is no memory for it now.
    NoMemory,
}

/// What has just been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing yet, or a CRLF.
    LineStart,
    /// A dot at the start of a line.
    Dot,
    /// A dot at the start of a line, and a CR.
    DotCr,
    /// Anything inside a line.
    Text,
    /// A CR inside a line; not yet in the message.
    Cr,
    /// The end.
    Ended,
}

impl DataReader {
    /// A reader that keeps a message of at most `keep` octets.
    pub(crate) fn new(keep: u64) -> Self {
        DataReader { keep, message: Vec::new(), size: 0, fault: None, state: State::LineStart }
    }

    /// Reads on; says how many octets of `input` belonged to the message. All of them, unless it has ended.
    pub(crate) fn feed(&mut self, input: &[u8]) -> usize {
        let mut at = 0;
        while at < input.len() && self.state != State::Ended {
            let (state, used) = match (self.state, input[at]) {
                (State::LineStart, b'.') => (State::Dot, 1),
                (State::Dot, b'\r') => (State::DotCr, 1),
                (State::DotCr, b'\n') => (State::Ended, 1),
                // RFC 5321 §4.5.2: the dot that leads a longer line is not part of the message.
                (State::LineStart | State::Dot, _) => (State::Text, 0),
                (State::Cr, b'\n') => {
                    self.put(b"\r\n");
                    (State::LineStart, 1)
                }
                (State::DotCr | State::Cr, _) => {
                    self.put(b"\r");
                    self.refuse(Fault::BareCr);
                    (State::Text, 0)
                }
                (State::Text, _) => self.text(&input[at..]),
                (State::Ended, _) => (State::Ended, 0),
            };
            self.state = state;
            at += used;
        }
        at
    }

    /// Reads on inside a line, up to an octet that may mean something.
    fn text(&mut self, input: &[u8]) -> (State, usize) {
        let run = input.iter().position(|octet| matches!(octet, b'\r' | b'\n' | 0)).unwrap_or(input.len());
        self.put(&input[..run]);
        match input.get(run) {
            None => return (State::Text, run),
            Some(b'\r') => return (State::Cr, run + 1),
            // Not the start of a line: only CRLF is.
            Some(b'\n') => self.refuse(Fault::BareLf),
            Some(_) => self.refuse(Fault::Nul),
        }
        self.put(&input[run..=run]);
        (State::Text, run + 1)
    }

    fn put(&mut self, octets: &[u8]) {
        self.size += octets.len() as u64;
        if self.keeps() {
            self.message.extend_from_slice(octets);
        } else {
            self.message = Vec::new();
        }
    }

    /// From here on the message is only read to its end.
    pub(crate) fn refuse(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
        self.message = Vec::new();
    }

    /// The message is still one that may be stored.
    pub(crate) fn keeps(&self) -> bool {
        self.fault.is_none() && self.size <= self.keep
    }

    /// The largest message that is kept.
    pub(crate) fn keep(&self) -> u64 {
        self.keep
    }

    /// Makes room for `octets` of message, or as many as are kept, and no more.
    pub(crate) fn make_room(&mut self, octets: u64) {
        let octets = usize::try_from(octets.min(self.keep)).unwrap_or(usize::MAX);
        self.message.reserve_exact(octets.saturating_sub(self.message.len()));
    }

    /// The final dot has been read.
    pub(crate) fn ended(&self) -> bool {
        self.state == State::Ended
    }

    /// Octets of the message so far, kept or not, as RFC 1870 §4 counts them: with every CRLF, without transparency.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Why it is not to be stored, whatever its size.
    pub(crate) fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// The message; empty when it was not kept.
    pub(crate) fn into_message(self) -> Vec<u8> {
        self.message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What RFC 5321 says, in the slowest way: the octets up to CRLF.CRLF, line by line.
    fn reference(input: &[u8]) -> Option<(Vec<u8>, usize)> {
        let mut message = Vec::new();
        let mut rest = input;
        while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
            let (line, behind) = rest.split_at(end + 2);
            rest = behind;
            match line {
                b".\r\n" => return Some((message, input.len() - rest.len())),
                [b'.', more @ ..] => message.extend_from_slice(more),
                line => message.extend_from_slice(line),
            }
        }
        None
    }

    fn read(parts: &[&[u8]]) -> (DataReader, usize) {
        let mut reader = DataReader::new(u64::MAX);
        let used = parts.iter().map(|part| reader.feed(part)).sum();
        (reader, used)
    }

    #[test]
    fn every_short_input_ends_where_the_standard_says_at_every_cut() {
        const ALPHABET: [u8; 4] = [b'.', b'\r', b'\n', b'a'];
        for length in 0..=8_u32 {
            for number in 0..4_usize.pow(length) {
                let input: Vec<u8> =
                    (0..length).map(|place| ALPHABET[number / 4_usize.pow(place) % ALPHABET.len()]).collect();
                let expected = reference(&input);
                for cut in 0..=input.len() {
                    let (reader, used) = read(&[&input[..cut], &input[cut..]]);
                    let ended = reader.ended().then_some(used);
                    assert_eq!(ended, expected.as_ref().map(|(_, used)| *used), "{input:?} cut at {cut}");
                    if let (Some((message, _)), true) = (&expected, reader.keeps()) {
                        assert_eq!(reader.size(), message.len() as u64);
                        assert_eq!(&reader.into_message(), message, "{input:?} cut at {cut}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_message_with_clean_lines_is_kept_and_any_other_is_not() {
        let fault = |input: &[u8]| read(&[input]).0.fault();
        assert_eq!(fault(b"a\r\n..\r\n\r\n.\r\n"), None);
        assert_eq!(fault(b"a\nb\r\n.\r\n"), Some(Fault::BareLf));
        assert_eq!(fault(b"a\rb\r\n.\r\n"), Some(Fault::BareCr));
        assert_eq!(fault(b"a\r\r\n.\r\n"), Some(Fault::BareCr));
        assert_eq!(fault(b".\r\r\n.\r\n"), Some(Fault::BareCr));
        assert_eq!(fault(b"\r\n\0.\r\n.\r\n"), Some(Fault::Nul));
        assert!(read(&[b"a\nb\r\n.\r\n"]).0.into_message().is_empty());
    }

    #[test]
    fn an_empty_message_ends_at_once() {
        let (reader, used) = read(&[b".\r\nQUIT\r\n"]);
        assert!(reader.ended() && reader.keeps());
        assert_eq!((used, reader.size()), (3, 0));
    }

    #[test]
    fn a_message_over_the_limit_is_counted_and_not_kept() {
        let mut reader = DataReader::new(10);
        for _ in 0..1_000 {
            reader.feed(b"0123456789abcdef\r\n");
            assert!(reader.message.capacity() <= 64);
        }
        reader.feed(b".\r\n");
        assert!(reader.ended() && !reader.keeps());
        assert_eq!(reader.size(), 18_000);
        let mut exact = DataReader::new(3);
        exact.feed(b"a\r\n.\r\n");
        assert!(exact.keeps());
    }
}
