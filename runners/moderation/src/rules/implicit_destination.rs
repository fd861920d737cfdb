//! To and Cc do not name the list.

use listmill_core::Word;

use crate::chain::Hit;
use crate::post::Post;

pub(crate) fn look(post: &Post<'_>) -> Option<Hit> {
    let list = post.list.filter(|_| post.settings.hold_implicit_destination)?;
    if post.addressees().any(|address| names_the_list(post, &address)) {
        return None;
    }
    Some(Hit::because(format!("{list} is in neither To nor Cc")))
}

/// The posting address, another address of the list, or whatever address the message came by: an alias in front of us.
fn names_the_list(post: &Post<'_>, address: &str) -> bool {
    let Some(list) = post.list else { return false };
    if post.entry.envelope.recipients.iter().any(|recipient| recipient.eq_ignore_ascii_case(address)) {
        return true;
    }
    let Some((local, domain)) = address.rsplit_once('@') else { return false };
    if !domain.trim_end_matches('.').eq_ignore_ascii_case(list.domain()) {
        return false;
    }
    let local = local.to_ascii_lowercase();
    local.strip_prefix(list.name()).is_some_and(|rest| rest.is_empty() || is_subaddress(rest))
}

/// `-owner`, `+leave+TOKEN`; not `-announce`, which is another list.
fn is_subaddress(rest: &str) -> bool {
    let Some(rest) = rest.strip_prefix(['-', '+']) else { return false };
    let word = rest.split(['-', '+']).next().unwrap_or_default();
    Word::SPELLINGS.iter().any(|(spelling, _)| *spelling == word)
}

#[cfg(test)]
mod tests {
    use super::is_subaddress;

    #[test]
    fn a_word_with_or_without_a_detail_is_a_subaddress() {
        for rest in ["-owner", "+owner", "-leave+T0KEN", "-confirm-T0KEN", "-unsubscribe"] {
            assert!(is_subaddress(rest), "{rest}");
        }
        for rest in ["-announce", "-owners", "+stuff", "eloper", "-"] {
            assert!(!is_subaddress(rest), "{rest}");
        }
    }
}
