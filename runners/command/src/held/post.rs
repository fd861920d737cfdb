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

/// A value of a listing, which nobody can make long.
pub(super) fn short(text: &str) -> String {
    const MOST: usize = 120;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Numbers, as one writes them.
pub(super) fn numbers(ids: &[HeldId]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_for_people() {
        assert_eq!(
            [size(0), size(1023), size(1024), size(1025), size(1_048_576)],
            ["0 B", "1023 B", "1 KiB", "2 KiB", "1 MiB"]
        );
        assert_eq!(moment("2026-11-22T08:30:59Z".parse().unwrap()), "2026-11-22 08:30 UTC");
        assert_eq!(short("Grüße"), "Grüße");
        assert_eq!(short(&"ü".repeat(200)).chars().count(), 121);
        assert_eq!(numbers(&[1, 3]), "1, 3");
    }
}
