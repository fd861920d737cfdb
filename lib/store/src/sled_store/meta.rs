//! What is kept once for the whole store: the schema's number and the signing keys.

use std::path::Path;

use listmill_core::{SigningKeys, Unavailable};
use rand::Rng as _;

use super::disk::{Disk, batch, caught, fault};
use super::files::MessageFiles;
use super::maps::{from_json, to_json};
use super::upgrade;
use crate::OpenError;
use crate::blocks::{Draft, Pages, PagesMut};

/// The newest schema that this release reads; a change that an older release would misread makes it greater. See [`super::upgrade`].
const SCHEMA: u32 = 3;
const SCHEMA_KEY: &[u8] = b"m\0schema";
/// Where the signing keys lie.
pub(super) const SIGNING_KEY: &[u8] = b"m\0signing-keys";

/// The signing keys of a store; a new store is given its schema and keys, an older one is brought to this release's schema. `new`: it may
/// be new.
pub(super) fn read_or_make(
    disk: Disk<'_>,
    dir: &Path,
    files: &MessageFiles,
    new: bool,
) -> Result<SigningKeys, OpenError> {
    let damaged = |reason: String| OpenError::Damaged { path: dir.to_owned(), reason };
    let read = |key| disk.get(key).map_err(|error| damaged(error.reason));
    let Some(schema) = read(SCHEMA_KEY)? else {
        if !new {
            return Err(damaged("it held something, and now holds nothing".to_owned()));
        }
        return make(disk.tree).map_err(|error| damaged(error.reason));
    };
    let found: u32 = from_json(&schema).map_err(|error| damaged(error.reason))?;
    if found > SCHEMA {
        return Err(OpenError::Newer { path: dir.to_owned(), found, known: SCHEMA });
    }
    if found < SCHEMA {
        upgrade(disk, found, files).map_err(|error| damaged(error.reason))?;
    }
    let keys = read(SIGNING_KEY)?.ok_or_else(|| damaged("it has no signing keys".to_owned()))?;
    from_json(&keys).map_err(|error| damaged(error.reason))
}

fn make(tree: &sled::Tree) -> Result<SigningKeys, Unavailable> {
    let mut key = [0; 32];
    rand::rng().fill_bytes(&mut key);
    let keys = SigningKeys::new(vec![key]).expect("one key is a key");
    let mut first = sled::Batch::default();
    first.insert(SCHEMA_KEY, to_json(&SCHEMA));
    first.insert(SIGNING_KEY, to_json(&keys));
    write(tree, first)?;
    Ok(keys)
}

/// Brings an older store to this schema, in one batch.
fn upgrade(disk: Disk<'_>, found: u32, files: &MessageFiles) -> Result<(), Unavailable> {
    let mut draft = Draft::new(disk);
    if found < 2 {
        upgrade::to_second(&mut draft, files)?;
    }
    draft.put(SCHEMA_KEY.to_vec(), to_json(&SCHEMA));
    write(disk.tree, batch(draft.into_changes()))
}

fn write(tree: &sled::Tree, batch: sled::Batch) -> Result<(), Unavailable> {
    let write = || tree.apply_batch(batch).and_then(|()| tree.flush());
    caught(write).map_err(|reason| Unavailable { reason })?.map_err(fault)?;
    Ok(())
}
