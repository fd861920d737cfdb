//! The JSON of line 1 and of the distribution list: an object, read so strictly that every language reads the same.
//!
//! SPEC.md, "JSON as it is used here". JSON leaves open what a name given twice means, how large a number may be and how
//! deep values may nest (RFC 8259 §4, §6, §9), and libraries differ; here all three are closed.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// The largest integer that every JSON reader keeps exactly: 2^53 - 1 (RFC 7493 §2.2).
pub(crate) const MAX_INTEGER: u64 = (1 << 53) - 1;
/// The deepest nesting of objects and arrays, the outermost object being the first.
pub(crate) const MAX_DEPTH: usize = 32;

/// Why a line is not an object as it is used here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JsonFault {
    /// Not JSON, not an object, or JSON of the kind that languages read differently.
    #[error("{0}")]
    Json(String),
    /// A name stands twice in one object, here or further in.
    #[error("the name {0:?} stands twice in one object")]
    DuplicateName(String),
}

/// The object that `line` is, its names in their order.
pub(crate) fn object(line: &[u8]) -> Result<Map<String, Value>, JsonFault> {
    if !(line.starts_with(b"{") && line.ends_with(b"}")) {
        return Err(JsonFault::Json("is not an object from its first byte to its last".to_owned()));
    }
    let twice = RefCell::new(None);
    let mut json = serde_json::Deserializer::from_slice(line);
    let value = Strict { depth: 0, twice: &twice }.deserialize(&mut json);
    // What is not JSON at all is said first, wherever it stands: readers that check names afterwards then agree.
    match value.and_then(|value| json.end().map(|()| value)).map_err(|error| JsonFault::Json(error.to_string()))? {
        Value::Object(map) => match twice.into_inner() {
            None => Ok(map),
            Some(name) => Err(JsonFault::DuplicateName(name)),
        },
        _ => Err(JsonFault::Json("is not an object".to_owned())),
    }
}

/// Reads any value, refuses what SPEC.md refuses, and remembers the first name that stands twice.
#[derive(Clone, Copy)]
struct Strict<'a> {
    depth: usize,
    twice: &'a RefCell<Option<String>>,
}

impl Strict<'_> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom(format_args!("values nest deeper than {MAX_DEPTH}")));
        }
        Ok(Strict { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        if value > MAX_INTEGER {
            return Err(E::custom(format_args!("the integer {value} is beyond 2^53 - 1")));
        }
        Ok(Value::from(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        if value.unsigned_abs() > MAX_INTEGER {
            return Err(E::custom(format_args!("the integer {value} is beyond -(2^53 - 1)")));
        }
        Ok(Value::from(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Err(E::custom(format_args!("the number {value:?} is not an integer below 2^53 written in digits alone")))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let seed = self.deeper()?;
        let mut array = Vec::new();
        while let Some(value) = items.next_element_seed(seed)? {
            array.push(value);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let seed = self.deeper()?;
        let mut map = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            let value = fields.next_value_seed(seed)?;
            if map.contains_key(&name) {
                self.twice.borrow_mut().get_or_insert(name);
            } else {
                map.insert(name, value);
            }
        }
        Ok(Value::Object(map))
    }
}

/// For fields that are absent or have a value: `null` is not "absent" here.
pub(crate) fn present<'de, D: Deserializer<'de>, T: serde::Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// For objects that take no unknown names: an array of the values in their order is not one either.
pub(crate) fn closed<'de, D: Deserializer<'de>, T: serde::de::DeserializeOwned>(from: D) -> Result<T, D::Error> {
    let map: Map<String, Value> = serde::Deserialize::deserialize(from)?;
    T::deserialize(Value::Object(map)).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(line: &str) -> String {
        object(line.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_name_stands_once_in_an_object_however_it_is_spelled_and_however_deep() {
        assert!(matches!(object(br#"{"a":1,"\u0061":2}"#), Err(JsonFault::DuplicateName(name)) if name == "a"));
        assert!(matches!(object(br#"{"x":[{"b":{},"b":{}}]}"#), Err(JsonFault::DuplicateName(name)) if name == "b"));
        assert!(object(br#"{"a":{"a":{"a":1}},"b":{"a":1}}"#).is_ok());
    }

    #[test]
    fn what_is_not_json_is_said_before_what_stands_twice() {
        assert!(matches!(object(br#"{"a":1,"a":2,}"#), Err(JsonFault::Json(_))));
        assert!(matches!(object(br#"{"a":1,"a":0.5}"#), Err(JsonFault::Json(_))));
    }

    #[test]
    fn numbers_are_integers_that_every_language_keeps() {
        assert!(object(br#"{"a":9007199254740991,"b":-9007199254740991}"#).is_ok());
        for number in
            ["9007199254740992", "-9007199254740992", "18446744073709551616", "1.0", "1e3", "-0", "1E400", "01"]
        {
            assert!(object(format!(r#"{{"a":{number}}}"#).as_bytes()).is_err(), "{number}");
        }
    }

    #[test]
    fn nesting_has_an_end() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
        assert!(object(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert!(fault(&nested(MAX_DEPTH + 1)).starts_with("values nest deeper than 32"));
        assert!(fault(&nested(100_000)).contains("32"));
    }

    #[test]
    fn the_object_is_the_whole_line() {
        for line in ["", "[]", "1", " {}", "{} ", "{}\r", "\u{feff}{}", "{}{}", "{", "}"] {
            assert!(matches!(object(line.as_bytes()), Err(JsonFault::Json(_))), "{line:?}");
        }
        assert!(object(b"{ \"a\" :\t1 }").is_ok());
        assert!(object(b"{\"a\":\"\xff\"}").is_err(), "UTF-8");
        assert!(object(br#"{"a":"\ud800"}"#).is_err(), "half a surrogate pair");
    }
}
