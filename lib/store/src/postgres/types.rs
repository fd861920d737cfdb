//! How our values lie in columns.

use bytes::BytesMut;
use listmill_core::Timestamp;
use listmill_queue_format::EntryId;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

type Wrong = Box<dyn std::error::Error + Sync + Send>;

/// Any text. PostgreSQL's cannot hold U+0000: it is written as U+0001 and a 0, and U+0001 as itself and a 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text(pub(super) String);

impl Text {
    fn escaped(&self) -> String {
        self.0.replace('\u{1}', "\u{1}1").replace('\0', "\u{1}0")
    }

    fn unescaped(text: &str) -> Text {
        Text(text.replace("\u{1}0", "\0").replace("\u{1}1", "\u{1}"))
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Text(text.to_owned())
    }
}

impl ToSql for Text {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Wrong> {
        if self.0.contains(['\0', '\u{1}']) { self.escaped().to_sql(ty, out) } else { self.0.to_sql(ty, out) }
    }

    fn accepts(ty: &Type) -> bool {
        <String as ToSql>::accepts(ty)
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Text {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Self, Wrong> {
        let text = <&str>::from_sql(ty, raw)?;
        Ok(if text.contains('\u{1}') { Text::unescaped(text) } else { Text(text.to_owned()) })
    }

    fn accepts(ty: &Type) -> bool {
        <&str as FromSql>::accepts(ty)
    }
}

/// An entry's id, in a column of type `uuid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Id(pub(super) EntryId);

impl ToSql for Id {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Wrong> {
        out.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::UUID
    }

    to_sql_checked!();
}

impl FromSql<'_> for Id {
    fn from_sql(_: &Type, raw: &[u8]) -> Result<Self, Wrong> {
        Ok(Id(EntryId::from_bytes(raw.try_into()?)))
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::UUID
    }
}

/// A time by which something is found, to the microsecond, in a column of type `timestamptz`. A record that must have it exactly has
/// it in its JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment(pub(super) Timestamp);

/// From 1970 to PostgreSQL's year 2000, in microseconds.
const EPOCH: i64 = 946_684_800_000_000;

impl ToSql for Moment {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Wrong> {
        let micros = self.0.as_nanosecond().div_euclid(1000) - i128::from(EPOCH);
        out.extend_from_slice(&i64::try_from(micros)?.to_be_bytes());
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::TIMESTAMPTZ
    }

    to_sql_checked!();
}

impl FromSql<'_> for Moment {
    fn from_sql(_: &Type, raw: &[u8]) -> Result<Self, Wrong> {
        Ok(Moment(Timestamp::from_microsecond(i64::from_be_bytes(raw.try_into()?).saturating_add(EPOCH))?))
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::TIMESTAMPTZ
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_with_zero_characters_comes_back() {
        for text in ["", "plain", "\0", "\u{1}", "\u{1}0", "\u{1}1", "a\0\u{1}0\u{1}\u{1}\0\u{1}1b", "\u{1}\0"] {
            let escaped = Text::from(text).escaped();
            assert!(!escaped.contains('\0'), "{text:?}");
            assert_eq!(Text::unescaped(&escaped).0, text, "{escaped:?}");
        }
    }

    #[test]
    fn moments_sort_and_come_back_to_the_microsecond() {
        for nanos in [-6_000_000_000_000_000_001_i128, -1, 0, 999, 1_764_000_000_123_456_789] {
            let at = Timestamp::from_nanosecond(nanos).unwrap();
            let mut out = BytesMut::new();
            Moment(at).to_sql(&Type::TIMESTAMPTZ, &mut out).unwrap();
            let back = Moment::from_sql(&Type::TIMESTAMPTZ, &out).unwrap().0;
            assert_eq!(back.as_nanosecond(), nanos.div_euclid(1000) * 1000);
        }
    }
}
