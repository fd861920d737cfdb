//! From the threads of the runners to the runtime in which the broker is spoken to, and back.

use std::future::Future;
use std::sync::mpsc;

use tokio::runtime::Handle;

use super::fault::Fault;

/// Lets `work` be done in the runtime and waits for it. It keeps its own time, and is lost only with the runtime.
pub(super) fn ask<T, F>(runtime: &Handle, work: F) -> Result<T, Fault>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Fault>> + Send + 'static,
{
    let (sender, receiver) = mpsc::sync_channel(1);
    runtime.spawn(async move {
        let _ = sender.send(work.await); // nobody waits any more
    });
    receiver.recv().unwrap_or(Err(Fault::Lost))
}
