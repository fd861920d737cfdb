//! A header rule of the owners: the first that matches says what is done.

use crate::chain::Hit;
use crate::post::Post;

/// Octets of a value that are looked at: patterns take linear time, and the rest of a longer one is no header of a person.
const LONGEST: usize = 100_000;

pub(crate) fn look(post: &Post<'_>) -> Option<Hit> {
    let matching = post.settings.header_match.iter().find(|rule| {
        // Every field of that name, decoded: a rule must not be passed by a second field or by an encoded word.
        post.message.texts(&rule.field).any(|value| rule.pattern.is_match(beginning(&value)))
    })?;
    Some(Hit::saying(matching.action, format!("{} matches {:?}", matching.field, matching.pattern.as_str())))
}

fn beginning(value: &str) -> &str {
    &value[..value.floor_char_boundary(LONGEST)]
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, beginning};

    #[test]
    fn a_long_value_is_cut_between_characters() {
        assert_eq!(beginning("short"), "short");
        let long = "é".repeat(LONGEST);
        assert_eq!(beginning(&long).len(), LONGEST);
        let odd = format!("x{long}");
        assert_eq!(beginning(&odd).len(), LONGEST - 1);
    }
}
