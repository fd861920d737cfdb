//! A small disk: a file system of its own, which takes root.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a harness for tests: files and processes, and a failure is the end of the test"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::needs::{lacking, needs_root};

/// A file system in memory, unmounted when this is dropped.
pub struct Mount(PathBuf);

impl Mount {
    /// With these options, as `size=64m`. None: the test ends, after a line that says what is missing.
    pub fn small(at: &Path, options: &str) -> Option<Mount> {
        if !needs_root("mount a small disk") {
            return None;
        }
        std::fs::create_dir_all(at).unwrap();
        let options = format!("{options},mode=0700");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "listmill-test"]).arg(at).output().unwrap();
        if !mounted.status.success() {
            lacking(&format!("no tmpfs can be mounted here: {}", String::from_utf8_lossy(&mounted.stderr).trim()));
            return None;
        }
        Some(Mount(at.to_owned()))
    }

    /// Octets that may be written now.
    pub fn free(&self) -> u64 {
        let found = rustix::fs::statvfs(&self.0).unwrap();
        found.f_bavail * found.f_frsize
    }

    /// Writes a file until only so many octets are free; 0: until nothing more can be written. Its path.
    pub fn fill(&self, leave: u64) -> PathBuf {
        let ballast = self.0.join("ballast");
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&ballast).unwrap();
        let block = [0xb5_u8; 4096];
        while self.free() > leave {
            if std::io::Write::write_all(&mut file, &block).is_err() {
                break; // somebody else was faster with the last block
            }
        }
        ballast
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // The directory is the test's own; what is left of it goes with the machine.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
