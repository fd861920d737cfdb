//! The bytes: one message is one message, and leaves as it came.

use std::path::Path;

use listmill_tests::sink::{Script, Sink};

use crate::setting::{Setting, entry};

/// What arrives of these bytes; one message, whatever they are.
async fn through(setting: &Setting, sink: &Sink, message: &[u8]) -> Vec<u8> {
    let before = sink.received().len();
    let mut entry = entry(1);
    entry.recipients[0].headers.clear();
    entry.message = message.into();
    assert_eq!(setting.send(&entry).await.done(), 1);
    let received = sink.received();
    assert_eq!(received.len(), before + 1, "one message and not two");
    received[before].data.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_leaves_byte_for_byte() {
    let sink = Sink::start(Script::default());
    let setting = Setting::new(&sink, 1);
    let lines = |size: usize| [b"A: b\r\n\r\n".as_slice(), &b".\r\n..x\r\n\r\n".repeat(size / 10)].concat();
    let around_a_block = (65_520..65_550).map(|size| [vec![b'x'; size], b"\r\n.\r\n".to_vec()].concat());
    let all = [lines(100), lines(200_000), b"\r\n".to_vec(), b".\r\n".to_vec(), b"a\r\n\r\n\r\n".to_vec(), vec![]];
    for message in all.into_iter().chain(around_a_block) {
        let arrived = through(&setting, &sink, &message).await;
        // An empty message has an empty line at least: that is how DATA ends.
        let expected = if message.is_empty() { b"\r\n".to_vec() } else { message };
        assert!(arrived == expected, "{} bytes", expected.len());
    }
    assert_eq!(sink.violations(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn bare_line_ends_become_line_ends_and_never_another_message() {
    let sink = Sink::start(Script::default());
    let setting = Setting::new(&sink, 1);
    for end in
        ["\n.\n", "\r.\r", "\r\n.\n", "\n.\r\n", "\r\n.\r", "\r.\r\n", "\r\n.\r\r\n", "\r\r\n.\r\r\n", "\n\n.\r\n"]
    {
        let smuggled = format!(
            "A: b\r\n\r\nfirst{end}MAIL FROM:<evil@example.com>\r\nRCPT TO:<x@example.net>\r\nDATA\r\nsecond\r\n.\r\nQUIT\r\n"
        );
        let arrived = through(&setting, &sink, smuggled.as_bytes()).await;
        let without =
            |bytes: &[u8]| bytes.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect::<Vec<u8>>();
        assert_eq!(without(&arrived), without(smuggled.as_bytes()));
    }
    assert_eq!(sink.violations(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_smuggling_corpus_gives_one_message_each() {
    let corpus =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora/smtp-smuggling-sequences/sequences.jsonl");
    let Ok(lines) = std::fs::read_to_string(&corpus) else {
        listmill_tests::needs::skipped(&format!("{} is not there", corpus.display()));
        return;
    };
    let sink = Sink::start(Script::default());
    let setting = Setting::new(&sink, 1);
    for line in lines.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let sequence = data_encoding::HEXLOWER.decode(line["bytes_hex"].as_str().unwrap().as_bytes()).unwrap();
        let second = b"MAIL FROM:<evil@example.com>\r\nRCPT TO:<x@example.net>\r\nDATA\r\nA: b\r\n\r\nsecond\r\n";
        let message = [b"A: b\r\n\r\nfirst".as_slice(), &sequence, second].concat();
        through(&setting, &sink, &message).await;
    }
    assert_eq!(sink.violations(), [""; 0]);
}
