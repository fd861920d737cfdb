//! The limit of what is made durable: one log, to which many append, and whoever comes first writes and syncs for all who wait.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::Failure;
use crate::row::per_second;

/// For so long it is measured.
const LONG: Duration = Duration::from_secs(3);

#[derive(Default)]
struct Log {
    state: Mutex<State>,
    durable: Condvar,
}

#[derive(Default)]
struct State {
    /// What has been appended since somebody began to write.
    batch: Vec<u8>,
    /// How many records have been appended, and up to which they are durable.
    appended: u64,
    durable: u64,
    busy: bool,
}

impl Log {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when the record is durable.
    fn append(&self, mut file: &File, record: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        state.batch.extend_from_slice(record);
        state.appended += 1;
        let mine = state.appended;
        while state.durable < mine {
            if state.busy {
                state = self.durable.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.busy = true;
            let (batch, last) = (std::mem::take(&mut state.batch), state.appended);
            drop(state);
            let written = file.write_all(&batch).and_then(|()| file.sync_data());
            state = self.state();
            (state.busy, state.durable) = (false, last);
            self.durable.notify_all();
            written?;
        }
        Ok(())
    }
}

/// Records of so many octets that are durable in a second, when so many append.
pub(crate) fn shared_log(dir: &Path, appenders: usize, octets: usize) -> Result<f64, Failure> {
    let file = tempfile::tempfile_in(dir)?;
    let (log, record) = (Log::default(), vec![b'x'; octets]);
    let begun = Instant::now();
    let counts: Vec<io::Result<usize>> = std::thread::scope(|scope| {
        let append = || {
            let mut count = 0;
            while begun.elapsed() < LONG {
                log.append(&file, &record)?;
                count += 1;
            }
            Ok(count)
        };
        let threads: Vec<_> = (0..appenders).map(|_| scope.spawn(append)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or(Err(io::ErrorKind::Other.into()))).collect()
    });
    let count = counts.into_iter().sum::<io::Result<usize>>()?;
    Ok(per_second(count, begun.elapsed()))
}
