//! From one schema to the next.
//!
//! | schema | what is new | why an older release must not open it |
//! | --- | --- | --- |
//! | 1 | | |
//! | 2 | preferences of members; decisions, requests, what was spent; digests of held posts; held posts by entry and by the time at which they lapse | it cannot read a member with preferences, and whoever removes a list or a held post without knowing of the rest leaves that behind, for the next list of the name |
//! | 3 | failed deliveries and tallies | the same: whoever removes a list or a member without knowing of them leaves them behind |
//!
//! Schema 3 has only what schema 2 has not, so nothing is made for it. A store of schema 1 is read as it is: its records are a part of
//! those of schema 2. Only what is new about its held posts is made.

use listmill_core::{HeldPost, Unavailable};
use listmill_queue_format::{Digest, decode};

use super::files::MessageFiles;
use super::{keys, maps};
use crate::blocks::{Pages, PagesMut};

/// From schema 1 to 2.
pub(super) fn to_second(pages: &mut impl PagesMut, files: &MessageFiles) -> Result<(), Unavailable> {
    let mut held: Vec<HeldPost> = Vec::new();
    maps::each_list(pages, |list| {
        maps::held(list).each(pages, |_, value| {
            held.push(maps::from_json(value)?);
            Ok(())
        })
    })?;
    for mut post in held {
        maps::held_by_entry(&post.list).insert(pages, &keys::by_entry(&post), &[])?;
        maps::times_of_held().insert(pages, &keys::lapse(&post), &[])?;
        match digest(pages, files, &post)? {
            Ok(digest) => {
                post.sha256 = digest.to_string();
                maps::put_json(pages, &maps::held(&post.list), &maps::number_key(post.id), &post)?;
            }
            // It can still be decided about, but not in answer to a letter.
            Err(why) => {
                tracing::warn!(list = %post.list, id = post.id, why, "the message of a held post cannot be read")
            }
        }
    }
    Ok(())
}

/// The digest of the message that is held; why there is none.
fn digest(pages: &impl Pages, files: &MessageFiles, post: &HeldPost) -> Result<Result<Digest, String>, Unavailable> {
    let record = maps::held_files(&post.list).get(pages, &maps::number_key(post.id))?;
    let file = files.read_held(record.as_deref())?;
    Ok(file.and_then(|file| decode(&file.0).map(|entry| Digest::of(&entry.message)).map_err(|error| error.to_string())))
}
