//! From the threads of the runners to the runtime in which the broker is spoken to, and back.

use std::future::Future;
use std::sync::mpsc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::fault::Fault;

/// Lets `work` be done in the runtime and waits for it, at most for `patience`; then it is dropped where it stands.
pub(super) fn ask<T, F>(runtime: &Handle, patience: Duration, late: impl FnOnce() -> Fault, work: F) -> Result<T, Fault>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Fault>> + Send + 'static,
{
    let (sender, receiver) = mpsc::sync_channel(1);
    let task = runtime.spawn(async move {
        let _ = sender.send(work.await); // nobody waits any more
    });
    match receiver.recv_timeout(patience) {
        Ok(done) => done,
        Err(_) => {
            task.abort();
            Err(late())
        }
    }
}
