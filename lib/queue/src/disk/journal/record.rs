//! The records of a journal, as bytes and back.
//!
//! All numbers are little endian. A record begins at a multiple of 8 and is filled up with zeros to the next one:
//!
//! | octets | what |
//! | --- | --- |
//! | 4 | `LMJ1` |
//! | 4 | CRC-32 of all that follows, the filling aside, XOR the salt of the segment |
//! | 4 | how long the name of the queue and the message file are together |
//! | 1 | kind: 1 an entry is put, 2 it is the journal's no more, 3 so much is durable |
//! | 1 | the rank of its class |
//! | 1 | how long the name of the queue is |
//! | 1 | 0 |
//! | 8 | the microseconds of its place; of kind 3: up to where this segment was durable when this was written |
//! | 16 | its id |
//! | | the name of the queue, and of kind 1 the message file |

use std::ops::Range;

use listmill_queue_format::EntryId;

use crate::lineup::Place;

const MAGIC: [u8; 4] = *b"LMJ1";
/// What stands in front of the name of the queue.
pub(super) const HEAD: usize = 40;
const ALIGN: usize = 8;

/// What a record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Record<'a> {
    /// An entry was put.
    Put(&'a str, Place, &'a [u8]),
    /// It was released, or is a file by now.
    Gone(&'a str, EntryId),
    /// Up to here the segment is durable.
    Durable(u64),
}

impl Record<'_> {
    /// Appends the record, not [salted](salt) yet.
    pub(super) fn append(&self, to: &mut Vec<u8>) {
        let nobody = Place { micros: 0, rank: 0, id: EntryId::from_bytes([0; 16]) };
        let (kind, queue, place, file) = match *self {
            Record::Put(queue, place, file) => (1, queue, place, file),
            Record::Gone(queue, id) => (2, queue, Place { id, ..nobody }, &[][..]),
            Record::Durable(up_to) => (3, "", Place { micros: up_to, ..nobody }, &[][..]),
        };
        let size = u32::try_from(queue.len() + file.len()).unwrap_or(u32::MAX); // the journal takes nothing so large
        let mut head = [0; HEAD];
        head[..4].copy_from_slice(&MAGIC);
        head[8..12].copy_from_slice(&size.to_le_bytes());
        head[12] = kind;
        head[13] = place.rank;
        head[14] = u8::try_from(queue.len()).unwrap_or(u8::MAX); // names of queues are short
        head[16..24].copy_from_slice(&place.micros.to_le_bytes());
        head[24..].copy_from_slice(place.id.as_bytes());
        let crc = checksum(&[&head[8..], queue.as_bytes(), file]);
        head[4..8].copy_from_slice(&crc.to_le_bytes());
        to.extend_from_slice(&head);
        to.extend_from_slice(queue.as_bytes());
        to.extend_from_slice(file);
        to.resize(to.len().next_multiple_of(ALIGN), 0);
    }

    /// The record that begins there, and where the next one does; `None` when none does.
    fn at(bytes: &[u8], at: usize, salt: u32) -> Option<(Record<'_>, usize)> {
        let head = bytes.get(at..at.checked_add(HEAD)?)?;
        if head[..4] != MAGIC {
            return None;
        }
        let body_at = at + HEAD;
        let end = body_at.checked_add(usize::try_from(number(&head[8..12])).ok()?)?;
        let body = bytes.get(body_at..end)?;
        if u64::from(checksum(&[&head[8..], body]) ^ salt) != number(&head[4..8]) {
            return None;
        }
        let (queue, file) = body.split_at_checked(usize::from(head[14]))?;
        let queue = std::str::from_utf8(queue).ok()?;
        let mut id = [0; 16];
        id.copy_from_slice(&head[24..]);
        let place = Place { micros: number(&head[16..24]), rank: head[13], id: EntryId::from_bytes(id) };
        let record = match head[12] {
            1 => Record::Put(queue, place, file),
            2 => Record::Gone(queue, place.id),
            3 => Record::Durable(place.micros),
            _ => return None,
        };
        Some((record, end.next_multiple_of(ALIGN)))
    }
}

/// Makes these records such of the segment with this salt: what a disk that loses power shows of older segments is none.
pub(super) fn salt(records: &mut [u8], salt: u32) {
    let mut at = 0;
    while let Some(head) = records.get_mut(at..at + HEAD) {
        for (octet, salt) in head[4..8].iter_mut().zip(salt.to_le_bytes()) {
            *octet ^= salt;
        }
        let size = usize::try_from(number(&head[8..12])).unwrap_or(usize::MAX);
        at = (at + HEAD).saturating_add(size).next_multiple_of(ALIGN);
    }
}

fn checksum(parts: &[&[u8]]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    parts.iter().for_each(|part| crc.update(part));
    crc.finalize()
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

/// What was found in the bytes of a segment.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Scan<'a> {
    /// The records, in their order.
    pub(super) records: Vec<Record<'a>>,
    /// What was durable and is no record: the disk has lost it, not a power cut.
    pub(super) damaged: Vec<Range<usize>>,
    /// Where the last record ends, and something else begins that was never durable as far as one can tell.
    pub(super) torn: Option<usize>,
}

/// Reads the records from `from` on.
///
/// A power cut leaves of what was being written any part, also a later record without an earlier one. What comes behind such a hole
/// counts: to store an entry that nobody was told about is harmless. A hole in what a later record says was durable is damage.
pub(super) fn scan(bytes: &[u8], from: usize, salt: u32) -> Scan<'_> {
    let mut found = Scan::default();
    let mut holes: Vec<Range<usize>> = Vec::new();
    let (mut at, mut durable) = (from, 0);
    loop {
        if let Some((record, next)) = Record::at(bytes, at, salt) {
            if let Record::Durable(up_to) = record {
                durable = durable.max(up_to);
            }
            found.records.push(record);
            at = next;
            continue;
        }
        let rest = bytes.get(at..).unwrap_or_default();
        match next_record(bytes, at, salt) {
            Some(next) => holes.push(std::mem::replace(&mut at, next)..next),
            None => {
                found.torn = rest.iter().any(|byte| *byte != 0).then_some(at);
                break;
            }
        }
    }
    found.damaged = holes.into_iter().filter(|hole| (hole.start as u64) < durable).collect();
    found
}

fn next_record(bytes: &[u8], from: usize, salt: u32) -> Option<usize> {
    (from.next_multiple_of(ALIGN)..bytes.len()).step_by(ALIGN).find(|at| Record::at(bytes, *at, salt).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use listmill_queue_format::Timestamp;

    const SALT: u32 = 0x1234_5678;

    fn place(chance: u8) -> Place {
        Place { micros: 1_790_000_000_000_001, rank: 5, id: EntryId::fresh(Timestamp::UNIX_EPOCH, [chance; 10]) }
    }

    fn written(records: &[Record<'_>]) -> (Vec<u8>, Vec<usize>) {
        let mut bytes = Vec::new();
        let ends = records.iter().map(|record| {
            record.append(&mut bytes);
            bytes.len()
        });
        let ends = ends.collect();
        salt(&mut bytes, SALT);
        (bytes, ends)
    }

    #[test]
    fn records_are_read_back() {
        let records = [
            Record::Durable(64),
            Record::Put("auth", place(1), b"a message file"),
            Record::Gone("auth", place(1).id),
            Record::Put("outbound", place(2), b""),
        ];
        let (mut bytes, _) = written(&records);
        bytes.extend_from_slice(&[0; 100]);
        assert_eq!(scan(&bytes, 0, SALT), Scan { records: records.to_vec(), ..Scan::default() });
        assert!(scan(&bytes, 0, SALT + 1).records.is_empty(), "those of another writer are none");
    }

    #[test]
    fn a_tail_that_is_cut_anywhere_ends_the_segment_and_takes_nothing_else_with_it() {
        let records = [Record::Put("auth", place(1), b"one"), Record::Put("auth", place(2), b"two, and longer")];
        let (bytes, ends) = written(&records);
        for cut in ends[0]..ends[0] + HEAD + "auth".len() + b"two, and longer".len() {
            let mut torn = bytes.clone();
            torn[cut..].fill(0);
            let found = scan(&torn, 0, SALT);
            assert_eq!(found.records, records[..1], "cut at {cut}");
            assert_eq!((found.damaged.len(), found.torn), (0, (cut > ends[0]).then_some(ends[0])));
            assert_eq!(scan(&bytes[..cut], 0, SALT).records, records[..1], "ends at {cut}");
        }
    }

    #[test]
    fn any_octet_that_is_wrong_is_noticed_and_known_for_damage_where_it_was_durable() {
        let one = Record::Put("auth", place(1), b"one");
        let (first, ends) = written(&[one]);
        let durable = Record::Durable(ends[0] as u64);
        let two = Record::Put("auth", place(2), b"two");
        let (bytes, _) = written(&[one, durable, two]);
        let filling = HEAD + "auth".len() + b"one".len()..first.len();
        for at in (0..first.len()).filter(|at| !filling.contains(at)) {
            let mut wrong = bytes.clone();
            wrong[at] ^= 0x10;
            let found = scan(&wrong, 0, SALT);
            assert_eq!(found.records, [durable, two], "octet {at}");
            assert_eq!(found.damaged.iter().map(|hole| hole.end).collect::<Vec<_>>(), [first.len()], "octet {at}");
        }
        // The same hole, but nobody had said that it was durable: the power failed while both were written.
        let (mut bytes, _) = written(&[one, two]);
        bytes[20] ^= 1;
        let found = scan(&bytes, 0, SALT);
        assert_eq!((found.records, found.damaged.len()), (vec![two], 0));
    }
}
