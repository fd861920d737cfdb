//! A disk of our own: a file system on a loop device, under which the power can be cut. Needs root.
//!
//! The cut is the file system's own shutdown without flushing its log (`FS_IOC_SHUTDOWN`): what was not synced is gone, and running programs get EIO.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a harness for tests: processes, files, and a failure is the end of the test"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::needs::{lacking, needs, needs_root};
use crate::program::wait_for;

/// `_IOR('X', 125, __u32)` with "no flush of the log", on the directory that is its argument.
const CUT: &str = "import fcntl, os, struct, sys\n\
                   fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECTORY), 0x8004587D, struct.pack('I', 2))";

/// A mounted disk; dropped, it is gone.
pub struct Disk {
    dir: TempDir,
    python: PathBuf,
}

impl Disk {
    /// A new ext4 of so many MiB. None: the test ends, after a line that says what is missing.
    pub fn new(mebibytes: u64) -> Option<Disk> {
        if !needs_root("mount a file system") {
            return None;
        }
        let (python, mkfs, _) = (needs("python3")?, needs("mkfs.ext4")?, needs("mount")?);
        let disk = Disk { dir: TempDir::new().unwrap(), python };
        std::fs::create_dir(disk.mounted()).unwrap();
        std::fs::File::create(disk.image()).unwrap().set_len(mebibytes << 20).unwrap();
        ran(Command::new(mkfs).args(["-q", "-F"]).arg(disk.image())).unwrap();
        if let Err(why) = disk.mount() {
            lacking(&format!("no loop device can be mounted here ({why})"));
            return None;
        }
        Some(disk)
    }

    /// What stands on it now, as a disk of its own: what a power cut at this moment would leave. Nobody may be writing, and what the system writes by itself has it
    /// copied again.
    pub fn copied(&self) -> Disk {
        let copy = Disk { dir: TempDir::new().unwrap(), python: self.python.clone() };
        std::fs::create_dir(copy.mounted()).unwrap();
        wait_for("a moment without a write", || {
            let before = self.writes();
            ran(Command::new("cp").arg("--sparse=always").arg(self.image()).arg(copy.image())).unwrap();
            self.writes() == before
        });
        copy.mount().unwrap_or_else(|why| panic!("{why}"));
        copy
    }

    /// Whether the system can let the file system meet an error. Not so: the test ends, after a line that says it.
    pub fn can_break(&self) -> bool {
        let there = self.trigger().is_file();
        if !there {
            lacking(&format!("this system lets no ext4 meet an error: there is no {}", self.trigger().display()));
        }
        there
    }

    /// The file system meets an error, and can only be read until it is mounted [again](Self::again).
    pub fn break_down(&self) {
        let remount =
            Command::new("mount").args(["-o", "remount,errors=remount-ro"]).arg(self.mounted()).output().unwrap();
        assert!(remount.status.success(), "{}", String::from_utf8_lossy(&remount.stderr));
        std::fs::write(self.trigger(), "a test").unwrap();
    }

    fn trigger(&self) -> PathBuf {
        let device = std::fs::read_link(format!("/sys/dev/block/{}", self.device())).unwrap();
        let name = device.file_name().unwrap().to_owned();
        Path::new("/sys/fs/ext4").join(name).join("trigger_fs_error")
    }

    /// How many writes have reached the device.
    fn writes(&self) -> String {
        let stat = std::fs::read_to_string(format!("/sys/dev/block/{}/stat", self.device())).unwrap();
        stat.split_whitespace().nth(4).unwrap().to_owned()
    }

    /// Its two numbers, as `7:0`.
    fn device(&self) -> String {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let mounted = self.mounted();
        let mount = mounts.lines().find(|line| line.split(' ').nth(4).is_some_and(|at| Path::new(at) == mounted));
        mount.and_then(|line| line.split(' ').nth(2)).unwrap().to_owned()
    }

    fn image(&self) -> PathBuf {
        self.dir.path().join("image")
    }

    /// Where it is mounted.
    pub fn mounted(&self) -> PathBuf {
        self.dir.path().join("mounted")
    }

    fn mount(&self) -> Result<(), String> {
        ran(Command::new("mount").args(["-o", "loop"]).arg(self.image()).arg(self.mounted()))
    }

    /// What is not the program's to sync, as the site file, is on the disk when this returns.
    pub fn sync(&self) {
        ran(Command::new("sync").arg("--file-system").arg(self.mounted())).unwrap_or_else(|why| panic!("{why}"));
    }

    /// The power goes out.
    pub fn cut(&self) {
        ran(Command::new(&self.python).args(["-c", CUT]).arg(self.mounted())).unwrap_or_else(|why| panic!("{why}"));
    }

    /// The power is back; nobody may hold a file open.
    pub fn again(&self) {
        let mut why = Ok(());
        wait_for("the disk to be let go of", || {
            why = ran(Command::new("umount").arg(self.mounted()));
            why.is_ok()
        });
        self.mount().unwrap_or_else(|why| panic!("{why}"));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // What does not let go now is let go of when its holder ends.
        let _ = ran(Command::new("umount").arg("--lazy").arg(self.mounted()));
    }
}

/// Runs it; what it said when it failed.
fn ran(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    let told = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    output.status.success().then_some(()).ok_or(told)
}
