//! From one schema to the next.
//!
//! | schema | what is new | why an older release must not open it |
//! | --- | --- | --- |
//! | 1 | | |
//! | 2 | preferences of members; decisions, requests, what was spent; held posts by entry | it cannot read a member with preferences, and whoever removes a list or a held post without knowing of the rest leaves that behind, for the next list of the name |
//!
//! A store of schema 1 is read as it is: its records are a part of those of schema 2. Only the index of held posts by entry is made.

use listmill_core::{HeldPost, Unavailable};

use super::{keys, maps};
use crate::blocks::PagesMut;

/// From schema 1 to 2.
pub(super) fn to_second(pages: &mut impl PagesMut) -> Result<(), Unavailable> {
    let mut held: Vec<HeldPost> = Vec::new();
    maps::each_list(pages, |list| {
        maps::held(list).each(pages, |_, value| {
            held.push(maps::from_json(value)?);
            Ok(())
        })
    })?;
    for post in held {
        maps::held_by_entry(&post.list).insert(pages, &keys::by_entry(&post), &[])?;
    }
    Ok(())
}
