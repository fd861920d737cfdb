//! Damage to a message file, the same in every run: to its octets, or to the meaning of line 1 or of a recipient line.

use listmill_queue_format::Digest;
use serde_json::{Map, Value, json};

/// Chance that is none: SplitMix64 from a fixed seed.
pub(crate) struct Damage(u64);

impl Damage {
    pub(crate) fn new() -> Self {
        Damage(7)
    }

    /// The file with one thing wrong, or perhaps just different.
    pub(crate) fn of(&mut self, whole: &[u8]) -> Vec<u8> {
        let (head, message, list) = parts(whole);
        match self.below(8) {
            0 => self.octet(whole),
            1 => [&self.octet(head), &whole[head.len()..]].concat(),
            2 => [head, b"\n", message, &self.octet(list)].concat(),
            3 | 4 => [self.meaning(head).as_bytes(), b"\n", message, list].concat(),
            5 => [self.raw(head).as_bytes(), b"\n", message, list].concat(),
            6 => self.with_list(head, message, list),
            _ => {
                let version = self.pick(&["listmill/2", "listmill/1.3", "listmill/1.0", "listmill/x"]);
                let head = String::from_utf8_lossy(head).replacen("listmill/1", version, 1);
                [head.as_bytes(), b"\n", message, list].concat()
            }
        }
    }

    /// One octet changed, one more, or one less.
    fn octet(&mut self, whole: &[u8]) -> Vec<u8> {
        let mut bytes = whole.to_vec();
        let at = self.below(bytes.len() + 1);
        let octet = if self.below(2) == 0 { *self.pick(b"{}[]\",:\\\n 0-9.e") } else { self.below(256) as u8 };
        match self.below(3) {
            0 if at < bytes.len() => bytes[at] = octet,
            1 if at < bytes.len() => drop(bytes.remove(at)),
            _ => bytes.insert(at, octet),
        }
        bytes
    }

    /// Something at some depth replaced by something else, taken away, or added.
    fn meaning(&mut self, line: &[u8]) -> String {
        let mut value: Value = serde_json::from_slice(line).unwrap();
        let places = places(&value);
        let pointer = self.pick(&places).clone();
        let other = self.value();
        let place = value.pointer_mut(&pointer).unwrap();
        match (self.below(4), place) {
            (0, Value::Object(map)) if !map.is_empty() => {
                let name = map.keys().nth(self.below(map.len())).cloned().unwrap();
                map.shift_remove(&name);
            }
            (1, Value::Object(map)) => drop(map.insert("more".to_owned(), other)),
            (_, place) => *place = other,
        }
        value.to_string()
    }

    /// What no map can hold: names that stand twice, numbers and strings that JSON has and we do not.
    fn raw(&mut self, line: &[u8]) -> String {
        let line = String::from_utf8(line.to_vec()).unwrap();
        let more = self.pick(&[
            r#""x":1,"x":1"#,
            r#""queue":"auth""#,
            r#""\u0069d":1"#,
            r#""x":{"y":[{"z":1,"z":1}]}"#,
            r#""x":1.0"#,
            r#""x":1e2"#,
            r#""x":-0"#,
            r#""x":-1"#,
            r#""x":9007199254740992"#,
            r#""x":123456789012345678901234567890"#,
            r#""x":"\ud83c""#,
            r#""x":"\ud83c\udff3""#,
            r#""x":NaN"#,
            r#""x":1,"x":"\udc00""#,
            r#""x":{"y":"\ud800","y":1}"#,
            r#""x" : [ ] "#,
        ]);
        format!("{},{more}}}", &line[..line.len() - 1])
    }

    /// Another distribution list, with the sizes that it has, and now and then another count.
    fn with_list(&mut self, head: &[u8], message: &[u8], list: &[u8]) -> Vec<u8> {
        let mut lines: Vec<Vec<u8>> =
            list.split_inclusive(|octet| *octet == b'\n').map(|line| line[..line.len() - 1].to_vec()).collect();
        lines.push(br#"{"address":"carol@example.com","return_path":""}"#.to_vec());
        let at = self.below(lines.len());
        lines[at] = match self.below(4) {
            0 => lines[at].clone(),
            1 => self.octet(&lines[at]),
            2 => self.raw(&lines[at]).into_bytes(),
            _ => self.meaning(&lines[at]).into_bytes(),
        };
        let list = [lines.join(&b'\n'), b"\n".to_vec()].concat();
        let mut fields: Map<String, Value> = serde_json::from_slice(head).unwrap();
        let count =
            if self.below(5) == 0 { self.below(4) } else { list.iter().filter(|octet| **octet == b'\n').count() };
        fields.insert("recipients".to_owned(), json!({ "count": count, "size": list.len() }));
        fields
            .insert("message".to_owned(), json!({ "size": message.len(), "sha256": Digest::of(message).to_string() }));
        [Value::Object(fields).to_string().as_bytes(), b"\n", message, &list].concat()
    }

    fn value(&mut self) -> Value {
        let values = [
            json!(null),
            json!(true),
            json!(0),
            json!(-1),
            json!(1.5),
            json!(65_536),
            json!(4_294_967_296_u64),
            json!(9_007_199_254_740_991_u64),
            json!(9_007_199_254_740_992_u64),
            json!(""),
            json!("auth"),
            json!("low"),
            json!("8bitmime"),
            json!("2026-01-31T12:00:00.50Z"),
            json!("2026-02-30T12:00:00Z"),
            json!("2026-01-31T12:00:00+00:00"),
            json!("01952F3A-7b40-7c11-8a5e-0123456789ab"),
            json!([]),
            json!([null]),
            json!(["x"]),
            json!({}),
            json!({ "low": null }),
            json!([[[{ "x": [1] }]]]),
        ];
        self.pick(&values).clone()
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end.max(1) as u64).unwrap()
    }
}

/// Line 1 without its LF, the message, the distribution list.
fn parts(whole: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let end = whole.iter().position(|octet| *octet == b'\n').unwrap();
    let head: Value = serde_json::from_slice(&whole[..end]).unwrap();
    let size = usize::try_from(head["message"]["size"].as_u64().unwrap()).unwrap();
    let (message, list) = whole[end + 1..].split_at(size);
    (&whole[..end], message, list)
}

/// A JSON pointer to everything in `value` (RFC 6901), but not into names that a pointer would have to escape.
fn places(value: &Value) -> Vec<String> {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    let mut found = vec![String::new()];
    for (name, value) in inner.iter().filter(|(name, _)| !name.contains(['/', '~'])) {
        found.extend(places(value).into_iter().map(|place| format!("/{name}{place}")));
    }
    found
}
