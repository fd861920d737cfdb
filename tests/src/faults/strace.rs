//! `strace` as an injector: a signal, an error or a delay at the k-th call of a set (row by row: specs/reliability.md).
//!
//! The count runs for each thread: the process meets its fate when the first of its threads makes its k-th call. A signal comes before the call.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a harness for tests: processes, and a failure is the end of the test"
)]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::needs::needs;

/// The sets of calls that change something outside of the process, or are its way to it.
pub const SETS: [&str; 8] = [
    "openat",
    "write,pwrite64,writev,pwritev",
    "fsync,fdatasync",
    "rename,renameat,renameat2",
    "link,linkat,symlink,symlinkat",
    "unlink,unlinkat",
    "sendto,sendmsg",
    "ftruncate,fallocate,utimensat,mkdir,flock",
];

/// How long strace may take to let go of a process.
const LETS_GO: Duration = Duration::from_secs(1);

/// strace, where it is; none: the test ends, after a line that names it.
pub fn strace() -> Option<PathBuf> {
    needs("strace")
}

/// A tracer that is attached to a process; dropped, it lets go of it.
pub struct Attached(Child);

impl Attached {
    /// Injects `what` (as `signal=SIGKILL:when=3`) into the calls `set` of the process, from now on.
    pub fn to(pid: u32, set: &str, what: &str) -> Attached {
        let mut command = Command::new("strace");
        command.args(["-f", "-p", &pid.to_string()]).args(options(set, what));
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut told = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        // "strace: Process 4711 attached with 56 threads"
        told.read_line(&mut line).unwrap();
        std::thread::spawn(move || {
            // Nobody reads it; a pipe that is full would stop it.
            let _ = std::io::copy(&mut told, &mut std::io::sink());
        });
        Attached(child)
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        // It may have ended with the process.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let began = Instant::now();
        while began.elapsed() < LETS_GO {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return;
            }
            std::thread::park_timeout(Duration::from_millis(2));
        }
        // A thread that was born and killed within a moment, and that it does not know, has it wait for ever, and the dead process unreaped.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a program is started through so that it meets this from its first call on. It keeps its process id.
pub fn through(set: &str, what: &str) -> Vec<String> {
    let start = ["strace", "-D", "-f", "--seccomp-bpf"].map(str::to_owned);
    start.into_iter().chain(options(set, what)).collect()
}

fn options(set: &str, what: &str) -> [String; 6] {
    let (trace, inject) = (format!("trace={set}"), format!("inject={set}:{what}"));
    ["-o", "/dev/null", "-e", &trace, "-e", &inject].map(str::to_owned)
}
