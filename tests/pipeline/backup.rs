//! A backup is made while the mill turns, and restored elsewhere or in its place.

use std::os::unix::fs::PermissionsExt as _;

use listmill_tests::program::{Site, wait_for};

const DEV: &str = "dev@lists.example.org";

/// What there is to be lost.
fn known(site: &Site) -> [String; 3] {
    let held = site.json(&["held", "ls", DEV]).to_string();
    [site.ok(&["list", "show", DEV]), site.ok(&["member", "ls", DEV]), held]
}

/// The copies of the post. What the store still had to send at the moment of the backup, such as a notice that it is held, comes as well.
fn copies(site: &Site) -> usize {
    let files = std::fs::read_dir(site.dir().join("copies/new")).into_iter().flatten().flatten();
    let texts = files.filter_map(|file| std::fs::read_to_string(file.path()).ok());
    texts.filter(|text| text.lines().any(|line| line == "Message-ID: <1@example.org>")).count()
}

#[test]
fn a_backup_of_a_running_mill_is_the_same_mill_elsewhere() {
    let here = Site::new("maildir:copies", "");
    here.list(DEV, &["member_action=hold"], ["alice@example.org", "bob@example.net"].map(str::to_owned));
    let running = here.run();
    here.ok_with_input(
        &["inject", "--to", DEV, "--from", "alice@example.org"],
        b"From: alice@example.org\r\nTo: dev@lists.example.org\r\nSubject: held\r\nMessage-ID: <1@example.org>\r\n\r\nHello.\r\n",
    );
    wait_for("the held post", || known(&here)[2].contains("held"));
    let before = known(&here);
    let file = here.dir().join("store.backup");
    let path = file.to_str().unwrap();
    assert!(here.ok(&["backup", path]).contains("whole"));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "it has the keys");
    assert!(here.ok(&["restore", "--check", path]).contains("whole"));
    here.ok(&["member", "add", DEV, "carol@example.com"]);
    let told = here.fails(75, &["restore", "--replace", path], b"");
    assert!(told.contains("another process"), "{told}");

    let there = Site::new("maildir:copies", "");
    there.ok(&["restore", path]);
    assert_eq!(known(&there), before);
    let told = there.fails(65, &["restore", path], b"");
    assert!(told.contains("--replace"), "{told}");
    assert_eq!(known(&there), before);
    // The post that was held can be let through there.
    there.ok(&["held", "accept", DEV, "1"]);
    let serving = there.run();
    wait_for("two copies", || copies(&there) == 2);
    serving.stop();

    running.stop();
    let told = here.ok(&["restore", "--replace", path]);
    let kept = told.lines().find_map(|line| line.strip_prefix("the store that was there is now ")).unwrap();
    assert!(std::path::Path::new(kept).join("lock").exists(), "{told}");
    assert_eq!(known(&here), before, "without carol, who came later");
}

#[test]
fn a_damaged_backup_replaces_nothing() {
    let site = Site::new("maildir:copies", "");
    let file = site.dir().join("store.backup");
    let path = file.to_str().unwrap();
    let told = site.fails(65, &["backup", path], b"");
    assert!(told.contains("no store yet") && !file.exists(), "{told}");
    site.list(DEV, &[], ["alice@example.org".to_owned()]);
    site.ok(&["backup", path]);
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    let before = known(&site);
    let told = site.fails(65, &["restore", "--replace", path], b"");
    assert!(told.contains("damaged"), "{told}");
    assert_eq!(known(&site), before);
    // A store that is damaged is what backups are for.
    std::fs::write(&file, &whole).unwrap();
    std::fs::remove_dir_all(site.dir().join("data/store/sled")).unwrap();
    let told = site.fails(69, &["restore", path], b"");
    assert!(told.contains("--replace"), "{told}");
    site.ok(&["restore", "--replace", path]);
    assert_eq!(known(&site), before);
    let told = site.fails(74, &["backup", "/proc/store.backup"], b"");
    assert!(told.contains("/proc"), "{told}");
}
