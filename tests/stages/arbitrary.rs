//! Whatever arrives, every stage decides: no panic, and the same twice (`Site::decide` looks).

use listmill_tests::view::MemoryView;
use proptest::prelude::*;

use crate::corpus::follow;

/// A list on which every rule has something to look at.
const STORE: &str = r#"
[[list]]
address = "dev@lists.example.org"
settings = { max_recipients = "2", header_match = "Subject: [a-f]{9} => hold", subject_prefix = "[dev]", footer = "{{list}}", reply_to = "list" }
members = ["bob@example.net", "carol@example.com"]
"#;

const NAMES: [&str; 14] = [
    "From",
    "To",
    "Cc",
    "Subject",
    "Message-ID",
    "Date",
    "Received",
    "Authentication-Results",
    "Auto-Submitted",
    "Content-Type",
    "Content-Transfer-Encoding",
    "List-Id",
    "X-Odd",
    "",
];

/// Pieces of which the values of fields are made: what parsers stumble over.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "bob@example.net",
            "dev@lists.example.org",
            "<",
            ">",
            "\"",
            "\\",
            "(",
            ")",
            ",",
            ";",
            ":",
            "=?utf-8?Q?",
            "=?utf-8?B?",
            "=00",
            "?=",
            "multipart/mixed",
            "text/plain",
            "boundary=\"b\"",
            "base64",
            "quoted-printable",
            "\r\n ",
            "\r\n",
            "\n",
            "\r",
            "\0",
            "unsubscribe",
            "mx.example.org",
            "dkim=pass",
            " ",
            "\t",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    let field = (prop::sample::select(NAMES.to_vec()), value());
    let head = prop::collection::vec(field, 0..10).prop_map(|fields| {
        fields
            .iter()
            .map(|(name, value)| [name.as_bytes(), b": ", value, b"\r\n"].concat())
            .collect::<Vec<_>>()
            .concat()
    });
    let body = prop_oneof![value(), Just(b"--b\r\n\r\nunsubscribe\r\n--b--\r\n".to_vec())];
    (head, body).prop_map(|(head, body)| [head, b"\r\n".to_vec(), body].concat())
}

#[test]
fn every_stage_decides_about_any_message() {
    let view = MemoryView::from_toml(STORE).unwrap();
    proptest!(|(message in message())| {
        follow(message, 1, &view);
    });
}
