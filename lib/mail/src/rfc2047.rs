//! Encoded words (RFC 2047): finding them in linear time; mail-parser decodes each.

use data_encoding::BASE64;
use mail_parser::parsers::MessageStream;

use crate::field::clean;

/// No registered charset has a longer name; a language (RFC 2231 §5) may follow it.
const MAX_CHARSET: usize = 64;

/// Octets that become 60 of Base64.
const MAX_PAYLOAD: usize = 45;

/// `text`, which is one unfolded value, with its encoded words decoded, in one line without control characters.
pub(crate) fn decode(text: &str) -> String {
    clean(&decode_inner(text)).into_owned()
}

/// As [`decode`], with white space at both ends, and whatever control characters the encoded words held.
pub(crate) fn decode_inner(text: &str) -> String {
    if !text.contains("=?") {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut behind_word = false;
    while let Some(at) = rest.find("=?") {
        let (before, word) = rest.split_at(at);
        let Some((decoded, after)) = word_at(word) else {
            out.push_str(&rest[..at + 2]);
            rest = &rest[at + 2..];
            behind_word = false;
            continue;
        };
        // RFC 2047 §6.2: white space between two encoded words is not displayed.
        if !(behind_word && before.chars().all(char::is_whitespace)) {
            out.push_str(before);
        }
        out.push_str(&decoded);
        rest = after;
        behind_word = true;
    }
    out.push_str(rest);
    out
}

/// `text` as encoded words, each within the 75 octets of RFC 2047 §2; white space at the ends is kept.
pub(crate) fn encode(text: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = (0..=rest.len().min(MAX_PAYLOAD)).rev().find(|end| rest.is_char_boundary(*end)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        words.push(format!("=?utf-8?B?{}?=", BASE64.encode(word.as_bytes())));
        rest = after;
    }
    words.join(" ")
}

/// An encoded word stands at the beginning of `text`.
pub(crate) fn begins_with_word(text: &str) -> bool {
    word_at(text).is_some()
}

/// The encoded word at the beginning of `text`, decoded, and what stands behind it.
///
/// White space within is taken, as mail-parser does: many programs write it. A `?` within is not, but for those right
/// before the end: so no octet is looked at more than a few times.
fn word_at(text: &str) -> Option<(String, &str)> {
    let (charset, tail) = text.strip_prefix("=?")?.split_once('?')?;
    if charset.is_empty() || charset.len() > MAX_CHARSET || charset.contains(char::is_whitespace) {
        return None;
    }
    let encoded = tail.strip_prefix(['b', 'B', 'q', 'Q'])?.strip_prefix('?')?;
    let mut end = encoded.find('?')?;
    while encoded[end + 1..].starts_with('?') {
        end += 1;
    }
    let after = encoded[end + 1..].strip_prefix('=')?;
    let word = &text[..text.len() - after.len()];
    // mail-parser wants to stand behind the `=`.
    let decoded = MessageStream::new(&word.as_bytes()[1..]).decode_rfc2047()?;
    Some((decoded, after))
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    #[test]
    fn encoded_words_are_decoded_and_all_else_stays() {
        for (raw, decoded) in [
            ("plain text", "plain text"),
            ("=?utf-8?Q?Gr=C3=BC=C3=9Fe_aus?= =?iso-8859-1?q?_K=F6ln?=", "Grüße aus Köln"),
            ("=?utf-8?B?w6Q=?=\t=?UTF-8?b?w7Y=?= u", "äö u"),
            ("a =?utf-8?q?b?= c", "a b c"),
            ("a=?utf-8?q?b?=c", "abc"),
            ("=?utf-8*de?q?=C3=A4?=", "ä"),
            ("=?utf-8?q?Really??=", "Really?"),
            ("=?utf-8?q?two words?=", "two words"),
            ("=?utf-8?q?a=0D=0ABcc:_x@example.org?=", "a  Bcc: x@example.org"),
            ("=?utf-8?q?a=00b?=", "a b"),
            // Not encoded words.
            ("=?", "=?"),
            ("=?utf-8", "=?utf-8"),
            ("=?utf-8?x?a?=", "=?utf-8?x?a?="),
            ("=??q?a?=", "=??q?a?="),
            ("=?utf-8?q?a", "=?utf-8?q?a"),
            ("what =? and ?= why", "what =? and ?= why"),
        ] {
            assert_eq!(decode(raw), decoded, "{raw:?}");
        }
    }

    #[test]
    fn what_is_encoded_comes_back() {
        for text in [
            "",
            " ",
            "a",
            "[für] ",
            "ä".repeat(100).as_str(),
            "日本語".repeat(30).as_str(),
            "\u{1f600}".repeat(40).as_str(),
        ] {
            let encoded = encode(text);
            assert!(encoded.split(' ').all(|word| word.len() <= 75), "{encoded}");
            assert_eq!(super::decode_inner(&encoded), text);
        }
    }

    #[test]
    fn a_value_full_of_beginnings_takes_linear_time() {
        for piece in ["=?", "=?a?q?", "=?a?q?x ", "=?utf-8?b?", "=?utf-8?q?=41?= ", "?=", "=?a?q?="] {
            let value = piece.repeat(50_000);
            assert!(decode(&value).len() <= value.len(), "{piece}");
        }
    }
}
