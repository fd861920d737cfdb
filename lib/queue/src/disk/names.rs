//! The names of message files in a spool, and back.
//!
//! In `new`, `cur` and `shunt` `RANK.MICROSECONDS.ID`, in `deferred` `MICROSECONDS.RANK.ID`: one digit, twenty digits, a
//! UUID. So `ls` shows the order in which a directory is worked off, class by class in `new`, by due time in `deferred`.

use std::fmt::Write as _;

use listmill_queue_format::EntryId;

use crate::State;
use crate::lineup::Place;

const WHY: &str = ".why.json";

/// The name of the file that says why the file called `name` is shunted or corrupt.
pub(super) fn why_name(name: &str) -> String {
    format!("{name}{WHY}")
}

/// Whether this is such a name.
pub(super) fn is_why_name(name: &[u8]) -> bool {
    name.ends_with(WHY.as_bytes())
}

impl Place {
    /// The name of its message file in `new`, `cur` and `shunt`.
    pub(super) fn name(self) -> String {
        format!("{}.{:020}.{}", self.rank, self.micros, self.id)
    }

    /// The name of its message file in the directory of this state.
    pub(super) fn name_in(self, state: State) -> String {
        match state {
            State::Deferred => format!("{:020}.{}.{}", self.micros, self.rank, self.id),
            _ => self.name(),
        }
    }

    /// The place that a file name in `new`, `cur` or `shunt` stands for; `None` for a foreign one.
    pub(super) fn parse(name: &[u8]) -> Option<Self> {
        let (rank, micros, id) = parts(name)?;
        Place::from_parts(rank, micros, id)
    }

    /// The place that a file name in the directory of this state stands for.
    pub(super) fn parse_in(state: State, name: &[u8]) -> Option<Self> {
        match (state, parts(name)?) {
            (State::Deferred, (micros, rank, id)) | (_, (rank, micros, id)) => Place::from_parts(rank, micros, id),
        }
    }

    fn from_parts(rank: &str, micros: &str, id: &str) -> Option<Self> {
        let rank = u8::try_from(number::<1>(rank)?).ok()?;
        Some(Place { micros: number::<20>(micros)?, rank, id: id.parse().ok()? })
    }
}

fn parts(name: &[u8]) -> Option<(&str, &str, &str)> {
    let mut parts = std::str::from_utf8(name).ok()?.splitn(3, '.');
    Some((parts.next()?, parts.next()?, parts.next()?))
}

fn number<const DIGITS: usize>(text: &str) -> Option<u64> {
    let digits = text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// The id in the name of a corrupt file, where it had one: `MICROSECONDS.NAME`, see [`corrupt_name`].
pub(super) fn corrupt_id(name: &[u8]) -> Option<EntryId> {
    let name = std::str::from_utf8(name).ok()?;
    name.get(name.len().checked_sub(36)?..)?.parse().ok()
}

/// A name in `corrupt` for a file that was called `name`: unique, printable, and not too long with [`WHY`] behind it.
pub(super) fn corrupt_name(micros: u64, name: &[u8]) -> String {
    const LONGEST: usize = 160;
    let mut safe = format!("{micros:020}.");
    for byte in name.iter().take(LONGEST) {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'+' | b'=' | b'@');
        safe.push(if plain { char::from(*byte) } else { '_' });
    }
    if safe.ends_with(WHY) {
        safe.push('_');
    }
    safe
}

/// A file name as a person may see it in a log: control characters and broken UTF-8 escaped.
pub(super) fn shown(name: &[u8]) -> String {
    let mut text = String::new();
    for chunk in name.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() || character == '\\' {
                text.extend(character.escape_default());
            } else {
                text.push(character);
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}"); // writing to a String cannot fail
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use listmill_queue_format::Timestamp;

    fn place() -> Place {
        Place { micros: 1_790_000_000_000_001, rank: 5, id: EntryId::fresh(Timestamp::UNIX_EPOCH, [0xab; 10]) }
    }

    #[test]
    fn names_are_read_back() {
        for state in [State::New, State::Claimed, State::Deferred, State::Shunted] {
            let name = place().name_in(state);
            assert_eq!(Place::parse_in(state, name.as_bytes()), Some(place()), "{name}");
        }
        assert!(place().name().len() < 60, "an index link of this length lies in the inode (ext4)");
    }

    #[test]
    fn foreign_names_are_not() {
        let name = place().name();
        for foreign in ["", "x", ".", "5.1.2", "5.0000.x", &name.to_uppercase(), &format!("{name}.bak"), &name[1..]] {
            assert_eq!(Place::parse(foreign.as_bytes()), None, "{foreign}");
        }
        assert_eq!(Place::parse(place().name_in(State::Deferred).as_bytes()), None);
        assert_eq!(Place::parse(b"5.+0001790000000000001.00000000-0000-7303-8303-030303030303"), None);
    }

    #[test]
    fn a_corrupt_file_gets_a_harmless_name_that_still_tells_the_id() {
        assert_eq!(corrupt_name(7, b"a\nb/\xff"), "00000000000000000007.a_b__");
        assert_eq!(corrupt_name(7, b"x.why.json"), "00000000000000000007.x.why.json_");
        assert!(corrupt_name(7, &[b'x'; 255]).len() < 200);
        assert_eq!(corrupt_id(corrupt_name(7, place().name().as_bytes()).as_bytes()), Some(place().id));
        assert_eq!(corrupt_id(b"short"), None);
    }

    #[test]
    fn what_a_person_sees_has_no_control_characters() {
        assert_eq!(shown(b"a\n\x1b[2J\xff\\"), "a\\n\\u{1b}[2J\\xff\\\\");
        assert_eq!(shown("Größe".as_bytes()), "Größe");
    }
}
