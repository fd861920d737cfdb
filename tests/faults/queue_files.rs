//! Rows R10 and R34: what lies in a queue and is no entry, and entries of a version that this program does not know. All others arrive; nothing is deleted.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use listmill_tests::faults::storm::chance;
use listmill_tests::faults::{Line, full};
use listmill_tests::lmtp::Lmtp;
use listmill_tests::program::{Running, wait_for};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::stand::{BUT_MODERATION, MEMBERS, Stand, connect};

/// What a newer version may have added to the format.
const ADDED: &str = "\"x_later\":{\"why\":[1,\"two\",null]}";

/// Posts that wait in moderation as files, which nobody serves yet.
fn waiting(stand: &mut Stand, lmtp: &mut Lmtp, posts: usize) -> Vec<PathBuf> {
    for _ in 0..posts {
        assert!(stand.post(lmtp, 500).starts_with("250"));
    }
    wait_for("the posts to wait", || stand.files("moderation", "new").len() == posts);
    let mut files = stand.files("moderation", "new");
    files.sort();
    files
}

/// Writes other octets into the file, and keeps its place and its names.
fn rewrite(file: &Path, change: impl FnOnce(Vec<u8>) -> Vec<u8>) {
    std::fs::write(file, change(std::fs::read(file).unwrap())).unwrap();
}

fn in_line_1(bytes: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    let end = bytes.iter().position(|octet| *octet == b'\n').unwrap();
    let line = String::from_utf8(bytes[..end].to_vec()).unwrap();
    assert!(line.contains(from), "{line}");
    [line.replacen(from, to, 1).as_bytes(), &bytes[end..]].concat()
}

fn in_format(version: &str) -> impl FnOnce(Vec<u8>) -> Vec<u8> {
    move |bytes| in_line_1(bytes, "\"format\":\"listmill/1\"", &format!("\"format\":\"{version}\""))
}

/// Damages each of these: nothing is left of one, another is cut at each tenth, one has no version that there can be.
fn damage(files: &[PathBuf]) -> BTreeMap<String, Vec<u8>> {
    let mut damaged = BTreeMap::new();
    for (number, file) in files.iter().enumerate() {
        match number {
            tenths @ 0..=9 => rewrite(file, |bytes| bytes[..bytes.len() * tenths / 10].to_vec()),
            10 => rewrite(file, in_format("listmill/0")),
            _ => rewrite(file, in_format("2")),
        }
        damaged.insert(name(file), std::fs::read(file).unwrap());
    }
    damaged
}

/// Turns a bit, somewhere.
fn turn_a_bit(file: &Path) {
    rewrite(file, |mut bytes| {
        let at = usize::try_from(chance(bytes.len() as u64)).unwrap();
        bytes[at] ^= 1 << chance(8);
        bytes
    });
}

/// Puts into `new` what is no message file, under the names of entries and under others; how many.
fn intruders(stand: &Stand, like: &Path) -> usize {
    let (dir, secret) = (stand.site.spool().join("moderation/new"), stand.site.dir().join("secret"));
    std::fs::write(&secret, "nobody reads this").unwrap();
    let name = |number: u32| {
        let name = like.file_name().unwrap().to_str().unwrap();
        dir.join(format!("{}{number:012x}", &name[..name.len() - 12]))
    };
    std::fs::create_dir(name(1)).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", name(2)).unwrap();
    std::os::unix::fs::symlink(&secret, name(3)).unwrap();
    // Whoever opened it to read would wait for ever.
    mknodat(CWD, name(4), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    std::fs::write(dir.join(OsString::from_vec(b"0.1\n2.x".to_vec())), "a name in two lines").unwrap();
    std::fs::write(dir.join(OsString::from_vec(vec![b'0', b'.', 0xff, 0xfe])), "not even text").unwrap();
    std::fs::write(dir.join("passwd"), "a name of another kind").unwrap();
    7
}

/// How many lines of the log complain of this file.
fn complaints(running: &Running, name: &str) -> usize {
    let log = running.log();
    let loud = log.iter().filter(|line| line["level"] == "ERROR" || line["level"] == "WARN");
    loud.filter(|line| line.to_string().contains(name)).count()
}

#[test]
fn what_is_no_entry_is_set_aside_once_and_all_others_arrive() {
    let mut stand = Stand::new("");
    stand.list();
    let owner = stand.site.run_with(&BUT_MODERATION);
    let mut lmtp = connect(&owner);
    let flips = if full() { 1_000 } else { 12 };
    let files = waiting(&mut stand, &mut lmtp, 12 + flips + 5);
    let damaged = damage(&files[..12]);
    files[12..12 + flips].iter().for_each(|file| turn_a_bit(file));
    let foreign = intruders(&stand, &files[0]);
    stand.accepted = files[12 + flips..].iter().map(|file| subject(file)).collect();
    let start = Instant::now();
    let mut moderation = stand.site.run_with(&["moderation"]);
    wait_for("the others to arrive", || stand.count().0 == 0);
    // A bit may have made a version of it that is to come: that one stays.
    wait_for("all to be looked at", || {
        let is_told = |file: &PathBuf| complaints(&moderation, &name(file)) > 0;
        stand.files("moderation", "cur").is_empty() && stand.files("moderation", "new").iter().all(is_told)
    });
    let recovery = start.elapsed();
    let aside = stand.files("moderation", "corrupt");
    for (name, bytes) in &damaged {
        let kept: Vec<&PathBuf> = aside.iter().filter(|file| file.to_string_lossy().ends_with(name)).collect();
        assert_eq!(kept.len(), 1, "{name} among {aside:?}");
        assert_eq!(&std::fs::read(kept[0]).unwrap(), bytes, "it is kept as it was: {name}");
        assert_eq!(complaints(&moderation, name), 1, "{name}");
    }
    let aside = stand.site.figure("moderation", "corrupt");
    assert!(aside >= (damaged.len() + foreign) as u64, "{aside} files are set aside");
    assert_eq!(std::fs::read_to_string(stand.site.dir().join("secret")).unwrap(), "nobody reads this");
    assert!(!moderation.has_ended(), "nobody dies of it");
    let panics = moderation.log().iter().filter(|line| line.to_string().contains("panick")).count();
    assert_eq!(panics, 0, "and nobody panics");
    let injection =
        format!("{} damaged files, {flips} turned bits, {foreign} that are no files of ours", damaged.len());
    let (lost, doubled) = stand.count();
    let runs = damaged.len() + flips + foreign;
    println!("{}", Line { row: "R10", injection: &injection, runs, lost, doubled, recovery });
    assert_eq!((lost, doubled), (0, 0));
    moderation.stop();
    owner.stop();
}

fn name(file: &Path) -> String {
    file.file_name().unwrap().to_string_lossy().into_owned()
}

fn subject(file: &Path) -> String {
    let text = String::from_utf8(std::fs::read(file).unwrap()).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Subject: "));
    line.unwrap().to_owned()
}

#[test]
fn entries_of_a_later_version_wait_for_it_and_fields_of_a_later_version_pass() {
    let mut stand = Stand::new("");
    stand.list();
    let owner = stand.site.run_with(&["inbound", "auth", "pending", "bounce", "command"]);
    let mut lmtp = connect(&owner);
    let files = waiting(&mut stand, &mut lmtp, 4);
    let later = [(&files[0], "listmill/1.7"), (&files[1], "listmill/2")];
    later.iter().for_each(|(file, version)| rewrite(file, in_format(version)));
    rewrite(&files[2], |bytes| in_line_1(bytes, "{", &format!("{{{ADDED},")));
    let as_written: Vec<_> = later.iter().map(|(file, _)| std::fs::read(file).unwrap()).collect();
    let moderation = stand.site.run_with(&["moderation"]);
    wait_for("the others to be in outbound", || stand.files("outbound", "new").len() == 2);
    let kept = stand.files("outbound", "new").iter().filter(|file| has_added(file)).count();
    assert_eq!(kept, 1, "what nobody here knows goes on with its entry");
    let outbound = stand.site.run_with(&["outbound"]);
    wait_for("the others to arrive", || stand.sink.count() == 2 * MEMBERS);
    // A second program of this version finds them where they are, too.
    moderation.stop();
    let moderation = stand.site.run_with(&["moderation"]);
    for ((file, version), bytes) in later.iter().zip(&as_written) {
        wait_for("it to be reported", || complaints(&moderation, &name(file)) == 1);
        assert_eq!(&std::fs::read(file).unwrap(), bytes, "{version}: it stays as it is");
    }
    assert_eq!((stand.site.figure("moderation", "depth"), stand.site.figure("moderation", "corrupt")), (2, 0));
    let start = Instant::now();
    moderation.stop();
    // Here is the later version.
    for (file, version) in later {
        let from = format!("\"format\":\"{version}\"");
        rewrite(file, |bytes| in_line_1(bytes, &from, "\"format\":\"listmill/1\""));
    }
    let moderation = stand.site.run_with(&["moderation"]);
    wait_for("everything to arrive", || stand.count().0 == 0);
    let (lost, doubled) = stand.count();
    let injection = "entries of a later minor and a later major version, and unknown fields";
    println!("{}", Line { row: "R34", injection, runs: 4, lost, doubled, recovery: start.elapsed() });
    assert_eq!((lost, doubled), (0, 0));
    for running in [moderation, outbound, owner] {
        running.stop();
    }
}

fn has_added(file: &Path) -> bool {
    String::from_utf8_lossy(&std::fs::read(file).unwrap()).contains(ADDED)
}
