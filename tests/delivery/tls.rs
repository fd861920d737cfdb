//! TLS with certificates that are checked, or nothing is sent (T23 of specs/standards.md).

use std::path::{Path, PathBuf};

use listmill_delivery::Timeouts;
use listmill_tests::sink::{Answer, Authority, Script, Security, Sink, Step};
use tempfile::TempDir;

use crate::setting::{Sent, Setting, entry};

pub(crate) struct Trusted {
    authority: Authority,
    dir: TempDir,
}

impl Trusted {
    pub(crate) fn new() -> Trusted {
        let (authority, dir) = (Authority::new(), tempfile::tempdir().unwrap());
        std::fs::write(dir.path().join("ca.pem"), authority.pem()).unwrap();
        Trusted { authority, dir }
    }

    pub(crate) fn ca_file(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    fn starttls(&self) -> Security {
        Security::StartTls(self.authority.identity("127.0.0.1"))
    }

    pub(crate) fn implicit(&self) -> Security {
        Security::Implicit(self.authority.identity("127.0.0.1"))
    }
}

async fn send(url: &str, ca_file: &Path) -> Sent {
    Setting::over(url, 2, Timeouts::default(), Some(ca_file)).send(&entry(6)).await
}

/// Nothing was sent, everybody waits, and the text says why.
fn assert_nothing(sink: &Sink, sent: &Sent, why: &str) {
    assert_eq!(sink.received(), []);
    assert!(!sink.commands().iter().any(|line| line.starts_with("MAIL") || line.starts_with("AUTH")));
    assert!((0..6).all(|place| sent.code(place) == (0, "4.4.1")));
    assert!(sent.of(0).text.contains(why), "{}", sent.of(0).text);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_kinds_with_a_trusted_certificate() {
    let trusted = Trusted::new();
    for (scheme, security) in [("smtp+starttls", trusted.starttls()), ("smtps", trusted.implicit())] {
        let sink = Sink::start(Script::default().secured(security));
        let sent = send(&sink.url(scheme), &trusted.ca_file()).await;
        assert_eq!(sent.done(), 6, "{}", sent.of(0).text);
        assert!(sink.received().iter().all(|one| one.encrypted));
        assert_eq!(sink.violations(), [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_for_another_name_is_refused() {
    let trusted = Trusted::new();
    let wrong = || trusted.authority.identity("mx.example.org");
    for (scheme, security) in [("smtp+starttls", Security::StartTls(wrong())), ("smtps", Security::Implicit(wrong()))] {
        let sink = Sink::start(Script::default().secured(security));
        let sent = send(&sink.url(scheme), &trusted.ca_file()).await;
        assert_nothing(&sink, &sent, "certificate");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    let (trusted, unknown) = (Trusted::new(), Trusted::new());
    for (scheme, security) in [("smtp+starttls", unknown.starttls()), ("smtps", unknown.implicit())] {
        let sink = Sink::start(Script::default().secured(security));
        let sent = send(&sink.url(scheme), &trusted.ca_file()).await;
        assert_nothing(&sink, &sent, "certificate");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_starttls_nothing_is_sent() {
    let trusted = Trusted::new();
    let sink = Sink::start(Script::default());
    let sent = send(&sink.url("smtp+starttls"), &trusted.ca_file()).await;
    assert_nothing(&sink, &sent, "STARTTLS is not offered");
    let refuses = |asked: &listmill_tests::sink::Asked<'_>| match asked.step {
        Step::StartTls => Answer::say("454 4.7.0 not now"),
        _ => Answer::Usual,
    };
    let sink = Sink::start(Script::answering(refuses).secured(trusted.starttls()));
    let sent = send(&sink.url("smtp+starttls"), &trusted.ca_file()).await;
    assert_nothing(&sink, &sent, "454");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_between_starttls_and_the_handshake_ends_the_connection() {
    let trusted = Trusted::new();
    let injects = |asked: &listmill_tests::sink::Asked<'_>| match asked.step {
        Step::StartTls => Answer::Raw(b"220 2.0.0 go\r\n250-injected\r\n250 AUTH PLAIN\r\n".to_vec()),
        _ => Answer::Usual,
    };
    let sink = Sink::start(Script::answering(injects).secured(trusted.starttls()));
    let sent = send(&sink.url("smtp+starttls"), &trusted.ca_file()).await;
    assert_nothing(&sink, &sent, "between STARTTLS and the handshake");
}

#[tokio::test(flavor = "multi_thread")]
async fn logging_in_with_either_mechanism() {
    let trusted = Trusted::new();
    for mechanisms in ["AUTH PLAIN LOGIN", "AUTH LOGIN", "auth=plain"] {
        for (scheme, security) in [("smtp+starttls", trusted.starttls()), ("smtps", trusted.implicit())] {
            let login = Some(("me@example.org".to_owned(), "s:e@c".to_owned()));
            let sink = Sink::start(Script { login, ..Script::default().with(mechanisms).secured(security) });
            let url = format!("{scheme}://me%40example.org:s%3ae%40c@{}", sink.address());
            let sent = send(&url, &trusted.ca_file()).await;
            assert_eq!(sent.done(), 6, "{}", sent.of(0).text);
            assert_eq!(sink.violations(), [""; 0]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_bounces_nobody() {
    let trusted = Trusted::new();
    let login = Some(("me".to_owned(), "right".to_owned()));
    let sink = Sink::start(Script { login, ..Script::default().with("AUTH PLAIN").secured(trusted.implicit()) });
    let url = format!("smtps://me:wrong@{}", sink.address());
    let sent = send(&url, &trusted.ca_file()).await;
    assert!((0..6).all(|place| sent.code(place) == (0, "4.4.1")));
    assert!(sent.of(0).text.contains("535"), "{}", sent.of(0).text);
    assert_eq!(sink.received(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_within_tls_are_as_tolerated_as_without() {
    let trusted = Trusted::new();
    let latin = |asked: &listmill_tests::sink::Asked<'_>| match (asked.step, asked.argument) {
        (Step::Rcpt, "member2@example.net") => Answer::Raw(b"571 Empf\xe4nger unbekannt\r\n".to_vec()),
        _ => Answer::Usual,
    };
    let sink = Sink::start(Script::answering(latin).secured(trusted.implicit()));
    let sent = send(&sink.url("smtps"), &trusted.ca_file()).await;
    assert_eq!((sent.done(), sent.code(2)), (5, (571, "5.0.0")));
}

#[test]
fn a_ca_file_that_is_none_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ca.pem");
    let ledger = || listmill_delivery::Ledger::open(&dir.path().join("ledger")).unwrap();
    let new = || {
        let url = "smtps://mx.example.org".parse().unwrap();
        listmill_delivery::Deliverer::new(url, 1, "me".to_owned(), Timeouts::default(), Some(path.clone()), ledger())
    };
    for text in ["", "no certificate", "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n"] {
        std::fs::write(&path, text).unwrap();
        assert!(new().unwrap_err().to_string().contains("ca.pem"));
    }
    std::fs::remove_file(&path).unwrap();
    assert!(new().unwrap_err().to_string().contains("ca.pem"));
}
