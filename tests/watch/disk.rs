//! A disk that fills up: a small one of its own, which takes root.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use listmill_tests::needs::{lacking, needs_root};
use listmill_tests::program::Site;

use super::{METRICS, address, reasons, wait_for_health, wait_for_metric};

/// A file system in memory, unmounted when this is dropped.
struct Mount(PathBuf);

impl Mount {
    /// None: the test ends, after a line that says what is missing.
    fn new(at: &Path, mebibytes: u32) -> Option<Mount> {
        if !needs_root("mount a small disk") {
            return None;
        }
        std::fs::create_dir_all(at).unwrap();
        let size = format!("size={mebibytes}m,mode=0700");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "listmill-test"]).arg(at).output().unwrap();
        if !mounted.status.success() {
            lacking(&format!("no tmpfs can be mounted here: {}", String::from_utf8_lossy(&mounted.stderr).trim()));
            return None;
        }
        Some(Mount(at.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // The directory is the test's own; what is left of it goes with the machine.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_seen_and_so_is_the_room_that_is_made() {
    let site = Site::new("maildir:copies", METRICS);
    let data = site.dir().join("data");
    let Some(_mount) = Mount::new(&data, 160) else { return };
    let running = site.run();
    let at = address(&site, running.pid());
    wait_for_health(&at, "200", "ok");
    let ballast = data.join("ballast");
    std::fs::write(&ballast, vec![1; 120 << 20]).unwrap();
    let start = Instant::now();
    let told = wait_for_health(&at, "503", "is full");
    println!("a full disk is seen after {:.1} s", start.elapsed().as_secs_f64());
    assert!(told.starts_with(&format!("the disk of {} is full: ", data.display())), "{told}");
    wait_for_metric(&at, "listmill_healthy 0");
    assert!(reasons(&site).contains("is full"));
    std::fs::remove_file(&ballast).unwrap();
    wait_for_health(&at, "200", "ok");
    running.stop();
}
