//! What is known of the lists without a look at the disk: each entry asks for its list, and each RCPT for what a client makes up.
//!
//! It is of the moment of the last batch that was applied: who applies one in which the lists change empties it first, while nobody reads,
//! and whoever needs it next fills it while nothing is applied.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, TryLockError};

use listmill_core::{Directory, List, ListAddress, Unavailable};

use super::engine::Engine;
use super::maps::{self, ListRecord, from_json, get_json};
use crate::blocks::Changed;

/// So many lists at most are kept, with their settings.
const LISTS: usize = 256;
/// A directory of more lists is not kept: each change of one of them makes it anew.
const MOST: usize = 1000;

/// What is known of the lists.
#[derive(Default)]
pub(super) struct Known(RwLock<State>);

#[derive(Default)]
struct State {
    lists: HashMap<ListAddress, List>,
    /// All of them; the inner is none where there are too many, or one has settings that do not hold.
    directory: Option<Option<Arc<Directory>>>,
}

impl Known {
    /// Forgets everything, if these changes are about the lists.
    pub(super) fn heed(&self, changes: &Changed) {
        if maps::have_lists(changes) {
            *self.0.write().unwrap_or_else(PoisonError::into_inner) = State::default();
        }
    }

    /// The directory, if that can be said without waiting for anybody.
    pub(super) fn directory_at_once(&self) -> Option<Arc<Directory>> {
        let state = match self.0.try_read() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(state)) => state.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        state.directory.clone().flatten()
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}

/// What makes a list of its record.
type Resolve<'a> = &'a dyn Fn(ListAddress, ListRecord) -> Result<List, Unavailable>;

impl Engine {
    /// A list with its settings.
    pub(super) fn list(&self, list: &ListAddress, resolve: Resolve<'_>) -> Result<Option<List>, Unavailable> {
        self.read(|disk| {
            if let Some(known) = self.known.state().lists.get(list) {
                return Ok(Some(known.clone()));
            }
            let record = get_json(&disk, &maps::lists(), list.as_str().as_bytes())?;
            let Some(found) = record.map(|record| resolve(list.clone(), record)).transpose()? else { return Ok(None) };
            self.known.change(|state| {
                if state.lists.len() >= LISTS {
                    state.lists.clear();
                }
                state.lists.insert(list.clone(), found.clone());
            });
            Ok(Some(found))
        })
    }

    /// The directory of all lists; none where it is not kept.
    pub(super) fn directory(&self, resolve: Resolve<'_>) -> Result<Option<Arc<Directory>>, Unavailable> {
        self.read(|disk| {
            if let Some(known) = &self.known.state().directory {
                return Ok(known.clone());
            }
            let page = maps::lists().page(&disk, None, MOST + 1)?;
            let mut directory = None;
            if page.len() <= MOST {
                let lists = page.into_iter().map(|(key, value)| resolve(maps::key_list(&key)?, from_json(&value)?));
                directory = lists.collect::<Result<Directory, Unavailable>>().ok().map(Arc::new);
            }
            self.known.change(|state| state.directory = Some(directory.clone()));
            Ok(directory)
        })
    }
}
