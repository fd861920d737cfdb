//! Which list, and which address of it: the spellings that people bring along from other managers.

use listmill_core::{Address, Word, resolve};
use listmill_tests::view::MemoryView;

const STORE: &str = r#"
[[list]]
address = "dev@lists.example.org"

[[list]]
address = "dev-info@lists.example.org"

[[list]]
address = "dev-sc@lists.example.org"

[[list]]
address = "accept@lists.example.org"

[[list]]
address = "a-b.c@lists.example.org"
"#;

/// The local part, the list's name, the word and the detail.
const TABLE: &[(&str, &str, Option<Word>, &str)] = &[
    ("dev", "dev", None, ""),
    ("DEV", "dev", None, ""),
    // The address of another list, and no word of this one.
    ("dev-info", "dev-info", None, ""),
    ("dev-info-info", "dev-info", Some(Word::Info), ""),
    ("dev+info", "dev", Some(Word::Info), ""),
    ("dev-faq", "dev", Some(Word::Info), ""),
    ("accept", "accept", None, ""),
    ("accept-join", "accept", Some(Word::Join), ""),
    ("a-b.c-leave+x", "a-b.c", Some(Word::Leave), "x"),
    // Ours, with either mark.
    ("dev-request", "dev", Some(Word::Request), ""),
    ("dev+request", "dev", Some(Word::Request), ""),
    ("dev-join", "dev", Some(Word::Join), ""),
    ("dev+subscribe", "dev", Some(Word::Join), ""),
    ("dev-confirm+T0KEN", "dev", Some(Word::Confirm), "T0KEN"),
    ("dev-confirm-T0KEN", "dev", Some(Word::Confirm), "T0KEN"),
    ("Dev-Approve+3.t0ken", "dev", Some(Word::Approve), "3.t0ken"),
    ("dev-cancel+3.t0ken", "dev", Some(Word::Cancel), "3.t0ken"),
    ("dev-help", "dev", Some(Word::Help), ""),
    ("dev-query", "dev", Some(Word::Query), ""),
    ("dev-moderators", "dev", Some(Word::Moderators), ""),
    // Sympa.
    ("dev-editor", "dev", Some(Word::Moderators), ""),
    // mlmmj.
    ("dev+subscribe-nomail", "dev", Some(Word::Join), "nomail"),
    ("dev+unsubscribe", "dev", Some(Word::Leave), ""),
    ("dev+confsub-0123456789abcdef", "dev", Some(Word::Confirm), "0123456789abcdef"),
    ("dev+confunsub-0123456789abcdef", "dev", Some(Word::Confirm), "0123456789abcdef"),
    ("dev+release-T0KEN", "dev", Some(Word::Approve), "T0KEN"),
    ("dev+moderate-T0KEN", "dev", Some(Word::Approve), "T0KEN"),
    ("dev+permit-T0KEN", "dev", Some(Word::Approve), "T0KEN"),
    ("dev+obstruct-T0KEN", "dev", Some(Word::Reject), "T0KEN"),
    // ezmlm.
    ("dev-subscribe-joe=example.net", "dev", Some(Word::Join), "joe=example.net"),
    ("dev-unsubscribe-joe=example.net", "dev", Some(Word::Leave), "joe=example.net"),
    ("dev-uc.123.abc-joe=example.net", "dev", Some(Word::Confirm), "123.abc-joe=example.net"),
    ("dev-accept-123.abc", "dev", Some(Word::Approve), "123.abc"),
    ("dev-tc.123.abc", "dev", Some(Word::Approve), "123.abc"),
    // A list of that name wins over the word with a dot, too.
    ("dev-sc", "dev-sc", None, ""),
    ("dev-sc.123.abc", "dev", Some(Word::Confirm), "123.abc"),
    ("dev-SC.123.abc", "dev", Some(Word::Confirm), "123.abc"),
    // A detail may hold any word.
    ("dev-reject+owner-join", "dev", Some(Word::Reject), "owner-join"),
];

#[test]
fn every_spelling_leads_to_its_list_and_word() {
    let view = MemoryView::from_toml(STORE).unwrap();
    for (local, list, word, detail) in TABLE {
        let address: Address = format!("{local}@lists.example.org").parse().unwrap();
        let resolved = resolve(&view, &address).unwrap().unwrap_or_else(|| panic!("{address} leads nowhere"));
        let found = (resolved.list.address.name(), resolved.word, resolved.detail.as_str());
        assert_eq!(found, (*list, *word, *detail), "{address}");
    }
}

#[test]
fn other_addresses_lead_nowhere() {
    let view = MemoryView::from_toml(STORE).unwrap();
    for text in [
        "dev-@lists.example.org",
        "dev-nonsense@lists.example.org",
        "devowner@lists.example.org",
        "dev.owner@lists.example.org",
        "dev-sc.123.abc@lists.example.net",
        "request@lists.example.org",
        "-request@lists.example.org",
        "devel-request@lists.example.org",
        "dev-sub.scribe@lists.example.org",
    ] {
        assert_eq!(resolve(&view, &text.parse().unwrap()).unwrap(), None, "{text}");
    }
}

#[test]
fn every_word_has_a_name_that_is_understood() {
    for (spelling, word) in Word::SPELLINGS {
        assert_eq!(Word::named(word.name()), Some(*word), "{spelling}");
    }
}
