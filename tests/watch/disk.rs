//! A disk that fills up: a small one of its own, which takes root.

use std::time::Instant;

use listmill_tests::mount::Mount;
use listmill_tests::program::Site;

use super::{METRICS, address, reasons, wait_for_health, wait_for_metric};

#[test]
fn a_full_disk_is_seen_and_so_is_the_room_that_is_made() {
    let site = Site::new("maildir:copies", METRICS);
    let data = site.dir().join("data");
    let Some(_mount) = Mount::small(&data, "size=160m") else { return };
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
