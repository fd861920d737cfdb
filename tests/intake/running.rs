//! A server with all three kinds of sockets, in a runtime of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use listmill_intake::{Limits, Listen, Server};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::recorder::Recorder;

/// A server that runs until it is dropped.
pub(crate) struct Running {
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) lmtp: SocketAddr,
    pub(crate) smtp: SocketAddr,
    pub(crate) unix: PathBuf,
    stop: watch::Sender<bool>,
    served: Option<JoinHandle<()>>,
    runtime: Runtime,
    _directory: TempDir,
}

impl Running {
    /// Starts one with these limits.
    pub(crate) fn with(limits: Limits) -> Running {
        let directory = tempfile::tempdir().unwrap();
        let recorder = Arc::new(Recorder::default());
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listen = vec![Listen::Lmtp(any), Listen::Smtp(any), Listen::LmtpUnix(directory.path().join("lmtp"))];
        let server = Server::bind(listen, "mx.example.org".into(), Arc::clone(&recorder) as _, limits).unwrap();
        let addresses = server.local_addrs();
        let [Listen::Lmtp(lmtp), Listen::Smtp(smtp), Listen::LmtpUnix(unix)] = addresses.as_slice() else {
            panic!("other sockets than were asked for: {addresses:?}");
        };
        let (lmtp, smtp, unix) = (*lmtp, *smtp, unix.clone());
        let (stop, stopping) = watch::channel(false);
        let runtime = Runtime::new().unwrap();
        let served = Some(runtime.spawn(server.run(stopping)));
        Running { recorder, lmtp, smtp, unix, stop, served, runtime, _directory: directory }
    }

    /// Starts one with the limits that a site has.
    pub(crate) fn new() -> Running {
        Running::with(Limits::default())
    }

    /// Tells it to stop, and does not wait.
    pub(crate) fn begin_to_stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until it has stopped.
    pub(crate) fn stopped(&mut self) {
        self.begin_to_stop();
        if let Some(served) = self.served.take() {
            self.runtime.block_on(served).unwrap();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.begin_to_stop();
        // Whatever a failed test left at the gate must not keep the runtime from ending.
        self.recorder.open();
    }
}
