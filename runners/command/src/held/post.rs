//! A held post, looked up, and how it is shown.

use listmill_core::{Decision, HeldId, HeldPost, ListAddress, StoreView, Timestamp, Unavailable};
use listmill_queue_format::{Digest, Entry, decode};

use crate::session::Session;

/// What there is under a number.
pub(super) enum Found {
    /// It waits.
    Held(HeldPost),
    /// It was decided.
    Decided(Decision),
    /// A line of the same message has decided it.
    Above,
    /// Nothing, or something that nobody remembers.
    Nothing,
}

/// What waits, or waited, under this number.
pub(super) fn find(s: &Session<'_>, id: HeldId) -> Result<Found, Unavailable> {
    let list = &s.list.address;
    if let Some(post) = s.draft.held(list, id)? {
        return Ok(Found::Held(post));
    }
    if s.draft.is_decided(list, id) {
        return Ok(Found::Above);
    }
    Ok(s.draft.view.decision(list, id)?.map_or(Found::Nothing, Found::Decided))
}

/// The record of a held post, without its bytes.
pub(crate) fn record(view: &dyn StoreView, list: &ListAddress, id: HeldId) -> Result<Option<HeldPost>, Unavailable> {
    let found = view.held(list, id.checked_sub(1), 1)?;
    Ok(found.into_iter().find(|post| post.id == id))
}

/// The entry that was held, with the bytes that it was held with; why not, when it cannot be had.
pub(super) fn entry_of(s: &Session<'_>, post: &HeldPost) -> Result<Result<Entry, String>, Unavailable> {
    let Some((_, file)) = s.draft.view.held_entry(&post.list, post.id)? else {
        return Ok(Err("it is held no more".to_owned()));
    };
    Ok(match decode(&file.0) {
        Err(error) => Err(error.to_string()),
        Ok(_) if post.sha256.is_empty() => Err("nobody knows with which bytes it was held".to_owned()),
        Ok(entry) if Digest::of(&entry.message).to_string() != post.sha256 => {
            Err("its bytes are not those that it was held with".to_owned())
        }
        Ok(entry) => Ok(entry),
    })
}

/// A moment, as people in all languages read it.
pub(super) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// A size in octets, as people read it.
pub(super) fn size(octets: u64) -> String {
    match octets {
        0..1024 => format!("{octets} B"),
        1024..1_048_576 => format!("{} KiB", octets.div_ceil(1024)),
        _ => format!("{} MiB", octets.div_ceil(1_048_576)),
    }
}

/// A value of a notice, a summary or a line of one, which nobody can make long: with what stands before it, it fills a line that no mail program
/// breaks when it is quoted, as what stood behind the break would look like the reader's own word.
pub(super) fn short(text: &str) -> String {
    const MOST: usize = 44;
    one_line(text, MOST)
}

/// Who wrote a held post, or wishes something; with the name where the entry knows one that looks like no address.
pub(super) fn author_of(post: &HeldPost, entry: Option<&Entry>) -> String {
    const MOST: usize = 24;
    let author = entry.and_then(|entry| entry.facts.author.as_ref()).filter(|author| author.address == post.author);
    let name = author.map(|author| one_line(&author.name, MOST)).unwrap_or_default();
    let with_name = format!("{name} <{}>", post.author);
    let is_name = !name.is_empty() && !name.contains(['@', '<', '>', '"']);
    // No longer than any other value, and never without the whole address.
    if is_name && short(&with_name) == with_name { with_name } else { short(&post.author) }
}

/// What somebody else wrote, as one line of so many characters: white space is one space, and what leads the eye or a terminal astray is left out.
pub(super) fn one_line(text: &str, most: usize) -> String {
    let plain: String = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|c| !is_odd(*c)).collect();
    let line = plain.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line,
    }
}

/// Control characters, and those that turn the direction of what follows.
fn is_odd(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}' | '\u{feff}')
}

/// Numbers, as one writes them.
pub(super) fn numbers(ids: &[HeldId]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_author_has_a_name_where_it_passes_for_no_address() {
        let post = HeldPost {
            id: 1,
            list: "dev@lists.example.org".parse().unwrap(),
            entry: "01a2027b-d680-80f0-af7f-3bb646d48532".parse().unwrap(),
            author: "pia@example.com".to_owned(),
            subject: String::new(),
            message_id: String::new(),
            size: 0,
            reasons: Vec::new(),
            since: Timestamp::UNIX_EPOCH,
            expires: Timestamp::UNIX_EPOCH,
            sha256: String::new(),
            asks: None,
            away: None,
        };
        assert_eq!(author_of(&post, None), "pia@example.com");
        let mut entry = Entry::arrived(post.entry, post.since, Default::default(), Vec::new().into());
        let mut named = |name: &str| {
            let address = post.author.clone();
            let author = listmill_queue_format::Author { address, name: name.to_owned(), other: Default::default() };
            entry.facts.author = Some(author);
            author_of(&post, Some(&entry))
        };
        assert_eq!(named("Pia Paul"), "Pia Paul <pia@example.com>");
        assert_eq!(named("alice@example.org"), "pia@example.com");
        assert_eq!(named(&"x".repeat(50)), format!("{}… <pia@example.com>", "x".repeat(24)));
    }

    #[test]
    fn values_are_for_people() {
        assert_eq!(
            [size(0), size(1023), size(1024), size(1025), size(1_048_576)],
            ["0 B", "1023 B", "1 KiB", "2 KiB", "1 MiB"]
        );
        assert_eq!(moment("2026-11-22T08:30:59Z".parse().unwrap()), "2026-11-22 08:30 UTC");
        assert_eq!(short("Grüße"), "Grüße");
        assert_eq!(short(&"ü".repeat(200)).chars().count(), 45);
        assert_eq!(short(&format!("a{}b\u{202e}c\u{1b}\n=~=~=", " ".repeat(1000))), "a bc =~=~=");
        assert_eq!(numbers(&[1, 3]), "1, 3");
    }
}
