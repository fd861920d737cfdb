//! Setting files aside, each with its reason beside it.

use serde::{Deserialize, Serialize};

use listmill_queue_format::Timestamp;
use rustix::io::Errno;

use super::names::{corrupt_name, shown, why_name};
use super::spool::Spool;
use crate::{QueueError, State, clock};

/// Why a file is in `corrupt`; in the `.why.json` beside it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct CorruptReason {
    /// The name that it had, control characters escaped.
    pub(super) name: String,
    /// The directory that it was in.
    pub(super) from: String,
    /// What is wrong with it.
    pub(super) reason: String,
    /// When it was found.
    pub(super) at: Timestamp,
}

impl Spool {
    /// Moves a file (or whatever it is) into `corrupt`, unopened, and says so. It is never deleted and never tried again.
    pub(super) fn set_aside(&self, state: State, name: &[u8], reason: &str) {
        let micros = clock::next();
        let new_name = corrupt_name(micros, name);
        let from = self.dir(state);
        match from.rename_aside(name, &self.corrupt, &new_name) {
            Ok(()) => {}
            Err(Errno::NOENT) => return, // another process was faster
            Err(errno) => {
                tracing::error!(file = from.at(name), reason, %errno, "a corrupt file cannot be set aside");
                return;
            }
        }
        tracing::error!(
            file = self.corrupt.at(new_name.as_bytes()),
            was = shown(name),
            reason,
            "a corrupt file is set aside"
        );
        let why = CorruptReason {
            name: shown(name),
            from: from.path().file_name().unwrap_or_default().to_string_lossy().into_owned(),
            reason: reason.to_owned(),
            at: clock::timestamp(micros).unwrap_or_default(),
        };
        if let Err(error) = self.write_why(State::Corrupt, &new_name, &why) {
            tracing::warn!(%error, "the reason could not be kept");
        }
    }

    /// Writes the reason beside the file that has (or will have) this name in the directory of this state.
    pub(super) fn write_why(&self, state: State, name: &str, why: &impl Serialize) -> Result<(), QueueError> {
        let why_name = why_name(name);
        let dir = self.dir(state);
        let mut bytes = serde_json::to_vec_pretty(why)
            .map_err(|error| QueueError::os("encode", dir.at(why_name.as_bytes()), error.into()))?;
        bytes.push(b'\n');
        let tmp = self.write_tmp(&bytes)?;
        self.tmp.rename(&tmp, dir, &why_name).map_err(|errno| {
            self.tmp.discard(&tmp);
            dir.failed("rename to", &why_name, errno)
        })
    }

    /// The reason beside a file; `None` when there is none that can be read.
    pub(super) fn read_why<T: for<'de> Deserialize<'de>>(&self, state: State, name: &str) -> Option<T> {
        let opened = self.dir(state).open_entry(&why_name(name)).ok()?;
        serde_json::from_slice(&opened.read().ok()?).ok()
    }
}
