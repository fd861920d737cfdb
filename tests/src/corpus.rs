//! The test mail that is not part of the project: real messages, read where they lie and never copied.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "reads files, and a failure is the end of the test"
)]

use std::path::{Path, PathBuf};

use crate::needs::skipped;
use crate::program::workspace;

/// The folders of odd and broken MIME messages.
pub const MIME: [&str; 5] =
    ["mime-gmime", "mime-mail-parser-rust", "mime-perl-email-mime", "mime-perl-mailbox", "mime-python-email"];

/// Where a folder of the corpora is; none, said by name, where it is absent.
pub fn folder(name: &str) -> Option<PathBuf> {
    let path = workspace().join("../shared/corpora").join(name);
    if path.is_dir() {
        return Some(path);
    }
    skipped(&format!("{name} is not in ../shared/corpora"));
    None
}

/// Every file of these folders and below, in order.
pub fn files(folders: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    folders.iter().filter_map(|name| folder(name)).for_each(|folder| collect(&folder, &mut found));
    found.sort();
    found
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// What a mail server makes of a file's lines before it hands them on: they end in CRLF. A bare CR stays what it is.
pub fn crlf(message: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(message.len() + message.len() / 32);
    for octet in message {
        if *octet == b'\n' && octets.last() != Some(&b'\r') {
            octets.push(b'\r');
        }
        octets.push(*octet);
    }
    if !octets.ends_with(b"\r\n") {
        octets.extend_from_slice(b"\r\n");
    }
    octets
}
