//! What has arrived at the sink.
//!
//! A copy is a pair of a post (its `X-Bench-Post` field) and a recipient (`member0000042@…`). So a copy that is missing, doubled, or
//! asked for by nobody is known exactly, and not by a sum.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Instant;

use memchr::memmem;

use crate::Failure;

/// The field that says which post a message is.
pub(crate) const POST_FIELD: &str = "X-Bench-Post: ";

/// The address of a member.
pub(crate) fn member(number: usize) -> String {
    format!("member{number:07}@example.net")
}

/// Which member an address is.
fn number(address: &[u8]) -> Option<usize> {
    let digits = address.strip_prefix(b"member")?;
    let end = memchr::memchr(b'@', digits)?;
    std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
}

/// What has arrived.
#[derive(Default)]
pub(crate) struct Tally {
    /// For each post, which members have it, a bit each.
    seen: BTreeMap<usize, Vec<u64>>,
    /// Distinct copies.
    pub(crate) copies: usize,
    /// Copies that had arrived before.
    pub(crate) doubled: usize,
    /// Letters, which are of no post: the recipient, and where an answer goes.
    pub(crate) letters: Vec<(String, String)>,
    /// What no scenario has asked for.
    pub(crate) strange: Vec<String>,
    /// Distinct return paths.
    return_paths: HashSet<u64>,
    /// Of the last copy of each member, the return path; kept by whoever puts a map here.
    pub(crate) paths: Option<HashMap<usize, String>>,
    /// When the first copy came, and when the last copy or letter.
    pub(crate) first: Option<Instant>,
    pub(crate) last: Option<Instant>,
    /// Octets of all copies.
    octets: usize,
    /// Connections that are open and have brought a message, and how many that were at most.
    pub(crate) open: usize,
    pub(crate) most_open: usize,
}

impl Tally {
    /// A message has come.
    pub(crate) fn note(&mut self, message: &[u8], return_path: &[u8], recipients: &[Vec<u8>]) {
        let now = Instant::now();
        self.last = Some(now);
        let fields = &message[..memmem::find(message, b"\r\n\r\n").map_or(message.len(), |end| end + 2)];
        let Some(post) = field(fields, POST_FIELD).and_then(|value| value.parse::<usize>().ok()) else {
            return self.note_letter(fields, return_path, recipients);
        };
        self.first.get_or_insert(now);
        self.octets += message.len();
        for recipient in recipients {
            match number(recipient) {
                Some(member) => self.note_copy(post, member, return_path),
                None => self.strange.push(String::from_utf8_lossy(recipient).into_owned()),
            }
        }
        let mut hasher = DefaultHasher::new();
        (post, return_path).hash(&mut hasher);
        self.return_paths.insert(hasher.finish());
    }

    fn note_copy(&mut self, post: usize, member: usize, return_path: &[u8]) {
        if let Some(paths) = &mut self.paths {
            paths.insert(member, String::from_utf8_lossy(return_path).into_owned());
        }
        let bits = self.seen.entry(post).or_default();
        if bits.len() <= member / 64 {
            bits.resize(member / 64 + 1, 0);
        }
        let bit = 1 << (member % 64);
        if bits[member / 64] & bit == 0 {
            self.copies += 1;
        } else {
            self.doubled += 1;
        }
        bits[member / 64] |= bit;
    }

    fn note_letter(&mut self, fields: &[u8], return_path: &[u8], recipients: &[Vec<u8>]) {
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        if field(fields, "Auto-Submitted: ").is_none_or(|value| !value.starts_with("auto-")) {
            return self.strange.push(format!("a message from <{}>", text(return_path)));
        }
        let reply_to = field(fields, "Reply-To: ").unwrap_or_default().trim_matches(['<', '>']).to_owned();
        let reply_to = reply_to.rsplit_once('<').map_or(reply_to.clone(), |(_, address)| address.to_owned());
        self.letters.extend(recipients.iter().map(|recipient| (text(recipient), reply_to.clone())));
    }

    /// Octets of a copy.
    pub(crate) fn octets_each(&self) -> usize {
        self.octets / (self.copies + self.doubled).max(1)
    }

    /// Fails unless each of `posts` posts reached each of `members` members exactly once, with a return path of its own.
    pub(crate) fn check(&self, posts: usize, members: usize) -> Result<(), Failure> {
        let missing = posts * members - self.copies.min(posts * members);
        let beyond =
            self.seen.iter().filter(|(post, bits)| **post >= posts || bits.len() > members.div_ceil(64)).count();
        if missing + self.doubled + beyond + self.strange.len() > 0 || self.return_paths.len() != self.copies {
            let strange = self.strange.first().map(String::as_str).unwrap_or_default();
            let paths = self.return_paths.len();
            let (doubled, odd) = (self.doubled, self.strange.len() + beyond);
            return Err(format!(
                "{missing} copies missing, {doubled} doubled, {odd} asked for by nobody {strange}, {paths} return paths"
            )
            .into());
        }
        Ok(())
    }
}

/// The value of the first field that begins like this.
fn field<'a>(fields: &'a [u8], name: &str) -> Option<&'a str> {
    let at = memmem::find_iter(fields, name.as_bytes()).find(|at| *at == 0 || fields[at - 1] == b'\n')?;
    let value = &fields[at + name.len()..];
    let end = memchr::memchr(b'\r', value)?;
    std::str::from_utf8(&value[..end]).ok()
}
