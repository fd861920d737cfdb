//! A member as a row.

use std::str::FromStr;

use listmill_core::{Address, Member};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::fault::{Fault, damaged};
use super::types::Text;

/// The columns of one member behind `list`, in the order in which the statements name them.
#[derive(Debug)]
pub(super) struct MemberRow {
    pub(super) key: String,
    pub(super) address: Option<String>,
    pub(super) name: Text,
    pub(super) roles: String,
    pub(super) delivery: String,
    pub(super) moderation: String,
    pub(super) language: Option<Text>,
    pub(super) preferences: String,
    pub(super) resumes: Option<i64>,
    pub(super) joined: i64,
}

impl From<&Member> for MemberRow {
    fn from(member: &Member) -> Self {
        let key = member.address.key();
        MemberRow {
            address: (key != member.address.as_str()).then(|| member.address.to_string()),
            key,
            name: Text(member.name.clone()),
            roles: member.roles.to_string(),
            delivery: member.delivery.to_string(),
            moderation: member.moderation.to_string(),
            language: member.language.clone().map(Text),
            preferences: member.preferences.to_string(),
            resumes: member.resumes,
            joined: member.joined,
        }
    }
}

impl MemberRow {
    /// The parameters of a statement about one member of this list.
    pub(super) fn params<'a>(&'a self, list: &'a i64) -> [&'a (dyn ToSql + Sync); 11] {
        [
            list,
            &self.key,
            &self.address,
            &self.name,
            &self.roles,
            &self.delivery,
            &self.moderation,
            &self.language,
            &self.preferences,
            &self.resumes,
            &self.joined,
        ]
    }
}

/// Many members, a column each: the parameters of one statement.
#[derive(Debug, Default)]
pub(super) struct MemberColumns {
    key: Vec<String>,
    address: Vec<Option<String>>,
    name: Vec<Text>,
    roles: Vec<String>,
    delivery: Vec<String>,
    moderation: Vec<String>,
    language: Vec<Option<Text>>,
    preferences: Vec<String>,
    resumes: Vec<Option<i64>>,
    joined: Vec<i64>,
}

impl FromIterator<MemberRow> for MemberColumns {
    fn from_iter<I: IntoIterator<Item = MemberRow>>(rows: I) -> Self {
        let mut columns = MemberColumns::default();
        for row in rows {
            columns.key.push(row.key);
            columns.address.push(row.address);
            columns.name.push(row.name);
            columns.roles.push(row.roles);
            columns.delivery.push(row.delivery);
            columns.moderation.push(row.moderation);
            columns.language.push(row.language);
            columns.preferences.push(row.preferences);
            columns.resumes.push(row.resumes);
            columns.joined.push(row.joined);
        }
        columns
    }
}

impl MemberColumns {
    /// The parameters, for this list.
    pub(super) fn params<'a>(&'a self, list: &'a i64) -> [&'a (dyn ToSql + Sync); 11] {
        [
            list,
            &self.key,
            &self.address,
            &self.name,
            &self.roles,
            &self.delivery,
            &self.moderation,
            &self.language,
            &self.preferences,
            &self.resumes,
            &self.joined,
        ]
    }
}

/// The member of a row: its key and all that stands behind it.
pub(super) fn member(row: &Row) -> Result<Member, Fault> {
    let text = |column: usize| -> Result<&str, Fault> { Ok(row.try_get(column)?) };
    let written: Option<&str> = row.try_get(1)?;
    let address: Address = parsed(written.unwrap_or(text(0)?))?;
    let mut member = Member::new(address, row.try_get(9)?);
    member.name = row.try_get::<_, Text>(2)?.0;
    member.roles = parsed(text(3)?)?;
    member.delivery = parsed(text(4)?)?;
    member.moderation = parsed(text(5)?)?;
    member.language = row.try_get::<_, Option<Text>>(6)?.map(|text| text.0);
    member.preferences = parsed(text(7)?)?;
    member.resumes = row.try_get(8)?;
    Ok(member)
}

/// A value from its text.
pub(super) fn parsed<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, Fault> {
    text.parse().map_err(|error: T::Err| damaged("member", &error))
}
