//! Rosters as people have them: a line each, `Name <address>`, or CSV with a header.
//!
//! The text is kept and the people are made of it when they are needed: a million of them then takes little more than the file.

use std::ops::Range;

use listmill_core::{Address, Delivery, Member, Moderation, Preferences, Roles, Timestamp};

use crate::cli::resumes;

/// A roster file, read and checked, its people sorted by address and each there once.
pub(crate) struct Roster {
    text: String,
    rows: Vec<Row>,
    /// Lines whose address stands on an earlier line too.
    pub(crate) repeated: usize,
    /// Columns of a CSV file that say nothing to us.
    pub(crate) ignored: Vec<String>,
}

/// Where a person stands in the text, and what else is said of them: rarely anything, so it lies aside.
struct Row {
    address: Range<u32>,
    name: Range<u32>,
    said: Option<Box<Said>>,
}

/// What the other columns of a CSV file say, as `member export` writes them.
#[derive(Clone, Default, PartialEq)]
struct Said {
    roles: Roles,
    delivery: Delivery,
    moderation: Moderation,
    language: Option<String>,
    preferences: Preferences,
    resumes: Option<i64>,
}

/// A line that cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadLine {
    /// Counting from 1.
    pub(crate) number: u64,
    /// What is wrong with it.
    pub(crate) reason: String,
}

impl Roster {
    /// Reads a roster; if any line cannot be read, every such line is told.
    pub(crate) fn read(bytes: Vec<u8>) -> Result<Roster, Vec<BadLine>> {
        let whole = |reason: &str| vec![BadLine { number: 1, reason: reason.to_owned() }];
        if u32::try_from(bytes.len()).is_err() {
            return Err(whole("the file is larger than 4 GiB: import it in parts"));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let number = 1 + before.iter().filter(|byte| **byte == b'\n').count() as u64;
            vec![BadLine { number, reason: "it is not UTF-8".to_owned() }]
        })?;
        let text = text.trim_start_matches('\u{feff}').to_owned();
        let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
        if first.is_some_and(is_csv_header) { Roster::read_csv(&text) } else { Roster::read_lines(text) }
    }

    fn read_lines(text: String) -> Result<Roster, Vec<BadLine>> {
        let (mut rows, mut bad) = (Vec::new(), Vec::new());
        let mut start = 0;
        for (number, line) in (1..).zip(text.split('\n')) {
            match person(line, start) {
                Ok(Some(row)) => rows.push(row),
                Ok(None) => {}
                Err(reason) => bad.push(BadLine { number, reason }),
            }
            start += line.len() + 1;
        }
        if bad.is_empty() { Ok(Roster::sorted(text, rows)) } else { Err(bad) }
    }

    /// CSV becomes text of our own: the quoting is the crate's business, the rest is as above.
    fn read_csv(text: &str) -> Result<Roster, Vec<BadLine>> {
        let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).flexible(true).from_reader(text.as_bytes());
        let head = reader.headers().map_err(|error| vec![BadLine { number: 1, reason: error.to_string() }])?;
        let columns = Columns::of(head);
        let ignored = columns.others(head);
        let (mut lines, mut rows, mut bad) = (String::new(), Vec::new(), Vec::new());
        for record in reader.records() {
            let (number, read) = match record {
                Ok(record) => (record.position().map_or(0, csv::Position::line), columns.read(&record, &mut lines)),
                Err(error) => (error.position().map_or(0, csv::Position::line), Err(error.to_string())),
            };
            match read {
                Ok(row) => rows.push(row),
                Err(reason) => bad.push(BadLine { number, reason }),
            }
        }
        if bad.is_empty() { Ok(Roster { ignored, ..Roster::sorted(lines, rows) }) } else { Err(bad) }
    }

    fn sorted(text: String, mut rows: Vec<Row>) -> Roster {
        let all = rows.len();
        // The order of the store's blocks: each batch then touches few of them.
        rows.sort_by(|a, b| key(&text, a).cmp(key(&text, b)));
        rows.dedup_by(|b, a| key(&text, a).eq(key(&text, b)));
        let repeated = all - rows.len();
        Roster { text, rows, repeated, ignored: Vec::new() }
    }

    /// How many people.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The people, sorted by address.
    pub(crate) fn members(&self, joined: i64) -> impl Iterator<Item = Member> {
        self.rows.iter().map(move |row| {
            let address: Address = self.at(&row.address).parse().expect("the address was read before");
            let member = Member { name: self.at(&row.name).to_owned(), ..Member::new(address, joined) };
            match row.said.as_deref().cloned() {
                None => member,
                Some(Said { roles, delivery, moderation, language, preferences, resumes }) => {
                    Member { roles, delivery, moderation, language, preferences, resumes, ..member }
                }
            }
        })
    }

    fn at(&self, range: &Range<u32>) -> &str {
        &self.text[range.start as usize..range.end as usize]
    }
}

/// The columns of a CSV file that are read.
pub(crate) const COLUMNS: &[&str] =
    &["address", "name", "roles", "delivery", "moderation", "language", "preferences", "resumes"];

const ADDRESS_COLUMNS: &[&str] = &["address", "email", "e-mail", "email address", "mail"];

fn is_csv_header(line: &str) -> bool {
    !line.contains('@')
        && line.split(',').any(|cell| {
            let cell = cell.trim().trim_matches('"');
            ADDRESS_COLUMNS.iter().any(|name| cell.eq_ignore_ascii_case(name))
        })
}

fn key<'t>(text: &'t str, row: &Row) -> impl Iterator<Item = char> + 't {
    Address::key_of(&text[row.address.start as usize..row.address.end as usize])
}

/// One line, which begins at `start` of the text: `address` or `Name <address>`; none when it is empty or a comment.
fn person(line: &str, start: usize) -> Result<Option<Row>, String> {
    let trimmed = line.trim();
    if trimmed.is_empty() || trimmed.starts_with('#') {
        return Ok(None);
    }
    let (name, address) = match trimmed.strip_suffix('>').and_then(|rest| rest.rsplit_once('<')) {
        Some((name, address)) => (name.trim().trim_matches('"'), address.trim()),
        None => ("", trimmed),
    };
    checked(name, address)?;
    // Offsets by pointer distance would need `unsafe`; the parts are found again from both ends of the line instead.
    let at = |part: &str, from_right: bool| {
        let found = if from_right { line.rfind(part) } else { line.find(part) };
        let begin = start + found.unwrap_or(0);
        let offset = |octets: usize| u32::try_from(octets).expect("the file is below 4 GiB");
        offset(begin)..offset(begin + part.len())
    };
    Ok(Some(Row { address: at(address, true), name: at(name, false), said: None }))
}

/// Which columns of a CSV file say what.
struct Columns {
    address: Option<usize>,
    name: Option<usize>,
    roles: Option<usize>,
    delivery: Option<usize>,
    moderation: Option<usize>,
    language: Option<usize>,
    preferences: Option<usize>,
    resumes: Option<usize>,
}

impl Columns {
    fn of(head: &csv::StringRecord) -> Columns {
        let place = |names: &[&str]| {
            head.iter().position(|cell| names.iter().any(|name| cell.trim().eq_ignore_ascii_case(name)))
        };
        Columns {
            address: place(ADDRESS_COLUMNS),
            name: place(&["name", "display name", "display_name"]),
            roles: place(&["roles", "role"]),
            delivery: place(&["delivery"]),
            moderation: place(&["moderation"]),
            language: place(&["language"]),
            preferences: place(&["preferences"]),
            resumes: place(&["resumes"]),
        }
    }

    /// The other columns; `joined` is ours, and the day of the import is what counts.
    fn others(&self, head: &csv::StringRecord) -> Vec<String> {
        let known = [
            self.address,
            self.name,
            self.roles,
            self.delivery,
            self.moderation,
            self.language,
            self.preferences,
            self.resumes,
        ];
        let others = head.iter().enumerate().filter(|(at, name)| !known.contains(&Some(*at)) && *name != "joined");
        others.map(|(_, name)| name.to_owned()).collect()
    }

    /// One record, appended to `lines`.
    fn read(&self, record: &csv::StringRecord, lines: &mut String) -> Result<Row, String> {
        let cell = |column: Option<usize>| column.and_then(|at| record.get(at)).unwrap_or("").trim();
        let (name, address) = (cell(self.name), cell(self.address));
        checked(name, address)?;
        let said = Said {
            roles: said(cell(self.roles))?,
            delivery: said(cell(self.delivery))?,
            moderation: said(cell(self.moderation))?,
            language: Some(cell(self.language)).filter(|language| !language.is_empty()).map(str::to_owned),
            preferences: said(cell(self.preferences))?,
            resumes: resumes(cell(self.resumes))?.map(Timestamp::as_second),
        };
        if let Some(language) = &said.language {
            listmill_core::settings::check("language", language).map_err(|error| error.to_string())?;
        }
        let offset = |octets: usize| u32::try_from(octets).map_err(|_| "the file is too large".to_owned());
        let begin = lines.len();
        lines.push_str(name);
        let middle = lines.len();
        lines.push_str(address);
        Ok(Row {
            name: offset(begin)?..offset(middle)?,
            address: offset(middle)?..offset(lines.len())?,
            said: (said != Said::default()).then(|| Box::new(said)),
        })
    }
}

/// An empty cell says nothing.
fn said<T: Default + std::str::FromStr<Err = String>>(cell: &str) -> Result<T, String> {
    if cell.is_empty() { Ok(T::default()) } else { cell.parse() }
}

fn checked(name: &str, address: &str) -> Result<(), String> {
    if name.chars().any(char::is_control) {
        return Err("the name has a control character".to_owned());
    }
    address.parse::<Address>().map(drop).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn people(text: &str) -> Vec<(String, String)> {
        let roster = Roster::read(text.as_bytes().to_vec()).unwrap();
        roster.members(0).map(|member| (member.name, member.address.to_string())).collect()
    }

    #[test]
    fn lines_names_comments_and_repetitions() {
        let text = "# our people\nzoe@example.net\r\n\nBob B. <bob@example.net>\n\"Alice\" <alice@EXAMPLE.net>\nBOB@example.net\n";
        let expected = [("Alice", "alice@example.net"), ("Bob B.", "bob@example.net"), ("", "zoe@example.net")];
        assert_eq!(people(text), expected.map(|(name, address)| (name.to_owned(), address.to_owned())));
        assert_eq!(Roster::read(text.as_bytes().to_vec()).unwrap().repeated, 1);
    }

    #[test]
    fn people_are_the_same_as_everywhere_else() {
        let text = "\u{212a}ate@example.net\nkate@example.net\nJ\u{d6}RG@example.net\nj\u{f6}rg@example.net\n";
        assert_eq!(people(text).len(), 3, "U+212A is no k");
    }

    #[test]
    fn csv_with_quotes_and_other_columns() {
        let text = "\u{feff}Name,E-Mail,Joined\n\"Doe, Jane\",jane@example.net,2020\n,bob@example.net,\n";
        let expected = [("", "bob@example.net"), ("Doe, Jane", "jane@example.net")];
        assert_eq!(people(text), expected.map(|(name, address)| (name.to_owned(), address.to_owned())));
    }

    #[test]
    fn what_a_member_has_chosen_is_read() {
        let text = "address,delivery,preferences,resumes\nbob@example.net,off:member,ack=on myposts=off,2026-12-01\n\
                    jane@example.net,,,\nzoe@example.net,off,,2026-12-01T06:00:00Z\n";
        let roster = Roster::read(text.as_bytes().to_vec()).unwrap();
        let members: Vec<_> = roster.members(0).collect();
        assert_eq!(members[0].preferences.to_string(), "ack=on myposts=off");
        let day: Timestamp = "2026-12-01T00:00:00Z".parse().unwrap();
        assert_eq!(members[0].resumes, Some(day.as_second()));
        assert_eq!((members[1].preferences, members[1].resumes), (Preferences::default(), None));
        assert_eq!(members[2].resumes, Some(day.as_second() + 6 * 60 * 60));
        for bad in ["ack", "ack=yes", "noise=on"] {
            let text = format!("address,preferences\nbob@example.net,{bad}\n");
            assert!(Roster::read(text.into_bytes()).is_err(), "{bad}");
        }
        assert!(Roster::read(b"address,resumes\nbob@example.net,soon\n".to_vec()).is_err());
    }

    #[test]
    fn every_bad_line_is_told_by_its_number() {
        let bad =
            |text: &[u8]| Roster::read(text.to_vec()).err().unwrap().iter().map(|bad| bad.number).collect::<Vec<_>>();
        assert_eq!(bad(b"bob@example.net\nnonsense\n\nalice@@example.net\nx <y>\n"), [2, 4, 5]);
        assert_eq!(bad(b"address,name\nbob@example.net,Bob\nnonsense,X\n"), [3]);
        assert_eq!(bad(b"bob@example.net\nb\xff@example.net\n"), [2]);
    }
}
