//! Answers to one summary as mail programs send them: `data/replies/*.eml`, made by hand after what the programs write.
//! Their line endings are LF there; mail has CRLF.

use crate::message::Message;
use crate::reply::written;

/// What the moderator wrote in each of them.
const LINES: [&str; 4] = ["a 1 3-5", "r 2 off topic", "d 4", "ban 4"];

/// Name and content of each sample.
#[expect(clippy::disallowed_methods, reason = "a test reads its samples")]
fn samples() -> Vec<(String, Vec<u8>)> {
    let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/data/replies")).unwrap();
    let paths = folder.map(|file| file.unwrap().path());
    let mut samples: Vec<_> = paths
        .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap()))
        .collect();
    samples.sort();
    samples
}

fn crlf(sample: &[u8]) -> Vec<u8> {
    sample
        .iter()
        .flat_map(|byte| if *byte == b'\n' { &b"\r\n"[..] } else { std::slice::from_ref(byte) })
        .copied()
        .collect()
}

fn replaced(sample: &[u8], from: &str, to: &str) -> Option<Vec<u8>> {
    let at = sample.windows(from.len()).position(|window| window == from.as_bytes())?;
    Some([&sample[..at], to.as_bytes(), &sample[at + from.len()..]].concat())
}

fn assert_lines(name: &str, sample: &[u8]) {
    for sample in [sample.to_vec(), crlf(sample)] {
        let found = written(&Message::parse(&sample));
        let lines: Vec<&str> = found.lines.iter().map(String::as_str).filter(|line| !line.is_empty()).collect();
        assert_eq!(lines, LINES, "{name}");
        assert!(found.answers, "{name}");
    }
}

#[test]
fn the_lines_are_the_same_from_every_program() {
    let samples = samples();
    for program in
        ["mutt", "gmail", "outlook-text", "outlook-html", "outlook-web", "apple-mail", "apple-ios", "thunderbird", "k9"]
    {
        assert!(samples.iter().any(|(name, _)| name.starts_with(program)), "{program}");
    }
    for (name, sample) in &samples {
        assert_lines(name, sample);
    }
}

#[test]
fn the_html_of_an_alternative_says_the_same() {
    let mut alternatives = 0;
    for (name, sample) in samples() {
        if !sample.windows(21).any(|window| window == b"multipart/alternative") {
            continue;
        }
        alternatives += 1;
        let html = replaced(&sample, "text/plain", "text/x-other").unwrap();
        assert_lines(&format!("{name}, its HTML"), &html);
    }
    assert!(alternatives >= 4, "{alternatives}");
}
