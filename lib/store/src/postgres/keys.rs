//! The signing keys: made by whoever asks first.

use deadpool_postgres::Object;
use listmill_core::SigningKeys;
use rand::Rng as _;

use super::fault::{Fault, damaged};
use super::session::{change, rows};
use super::sql;

/// The keys of this store.
pub(super) async fn read_or_make(session: &mut Object) -> Result<SigningKeys, Fault> {
    if let Some(keys) = read(session).await? {
        return Ok(keys);
    }
    let mut key = [0; 32];
    rand::rng().fill_bytes(&mut key);
    // Another process may be faster; then its key is the one.
    change(&*session, sql::MAKE_KEY, &[&key.as_slice()]).await?;
    read(session).await?.ok_or_else(|| damaged("signing key", &"it is gone as soon as it is made"))
}

/// The keys, newest first; none when there is none yet.
pub(super) async fn read(session: &Object) -> Result<Option<SigningKeys>, Fault> {
    let mut keys = Vec::new();
    for row in rows(session, sql::KEYS, &[]).await? {
        let key: &[u8] = row.try_get(0)?;
        keys.push(<[u8; 32]>::try_from(key).map_err(|error| damaged("signing key", &error))?);
    }
    Ok(SigningKeys::new(keys))
}
