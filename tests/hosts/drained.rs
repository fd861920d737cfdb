//! `queue drain` on one host.

use listmill_tests::lmtp::Lmtp;
use listmill_tests::program::{Site, wait_for};

#[test]
fn a_drained_intake_takes_no_more_mail_and_the_process_delivers_what_it_has() {
    let site = Site::new("maildir:copies", "");
    site.list("dev@lists.example.org", &[], ["bob@example.net".to_owned()]);
    let running = site.run();
    let address = running.lmtp.unwrap();
    let post = b"From: bob@example.net\r\nTo: dev@lists.example.org\r\nSubject: one\r\n\r\nHello.\r\n";
    Lmtp::connect(address).post("bob@example.net", "dev@lists.example.org", post);
    site.ok(&["queue", "drain", "inbound"]);
    assert!(std::net::TcpStream::connect(address).is_err(), "nobody listens any more");
    wait_for("the copy", || site.dir().join("copies/new").read_dir().is_ok_and(|mut copies| copies.next().is_some()));
    for runner in ["auth", "moderation", "pending", "outbound", "bounce", "command"] {
        site.ok(&["queue", "drain", runner]);
    }
    running.ended();
    site.fails(69, &["queue", "drain", "auth"], b"");
}
