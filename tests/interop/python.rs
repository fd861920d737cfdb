//! Running the Python side.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

/// Where the Python reader and writer are.
pub(crate) fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("queue-format").join("python")
}

/// Runs python3 there, and answers what it printed. Panics with all of its words when it fails.
pub(crate) fn run(arguments: &[&str]) -> Vec<u8> {
    let output = command(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "python3 {} failed:\n{}{}",
        arguments.first().copied().unwrap_or_default(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    output.stdout
}

/// A Python program that goes on while the test does; killed when the test is done with it.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Running::of(command(arguments))
    }

    /// By an interpreter that has what the others may lack.
    pub(crate) fn start_by(interpreter: &Path, arguments: &[&str]) -> Self {
        Running::of(command_by(interpreter, arguments))
    }

    fn of(mut command: Command) -> Self {
        Running(command.stdout(Stdio::piped()).spawn().unwrap())
    }

    /// Waits for the next line that it prints.
    pub(crate) fn line(&mut self) -> String {
        let from: &mut ChildStdout = self.0.stdout.as_mut().expect("is piped");
        let mut line = Vec::new();
        let mut byte = [0];
        while from.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
            line.push(byte[0]);
        }
        String::from_utf8(line).unwrap()
    }

    /// SIGKILL: no chance to tidy up.
    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// SIGTERM: it finishes what is in hand, and exits with 0.
    pub(crate) fn stop(mut self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let status = self.0.wait().unwrap();
        assert!(status.success(), "after SIGTERM: {status}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn command(arguments: &[&str]) -> Command {
    command_by(Path::new("python3"), arguments)
}

fn command_by(interpreter: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(interpreter);
    command.args(arguments).current_dir(directory()).env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONUTF8", "1");
    command
}
