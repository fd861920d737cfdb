//! The figures of mail that has passed, and a server that nobody can occupy.

use std::net::{TcpListener, TcpStream};

use listmill_tests::lmtp::Lmtp;
use listmill_tests::program::Site;
use listmill_tests::sink::{Answer, Asked, Script, Sink, Step};

use super::{DEV, METRICS, address, get, members, post, reasons, wait_for_health, wait_for_metric};

fn answer(asked: &Asked<'_>) -> Answer {
    match (asked.step, asked.argument) {
        (Step::Rcpt, "u1@example.net") => Answer::Say("451 4.2.1 busy".to_owned()),
        (Step::Rcpt, "u2@example.net") => Answer::Say("550 5.1.1 unknown".to_owned()),
        _ => Answer::Usual,
    }
}

#[test]
fn what_has_happened_is_counted_once() {
    let sink = Sink::start(Script { answer: Box::new(answer), ..Script::default() });
    let site = Site::new(&sink.url("smtp"), METRICS);
    site.list(DEV, &[], members());
    let running = site.run();
    let at = address(&site, running.pid());
    Lmtp::connect(running.lmtp.unwrap()).post("u0@example.net", DEV, &post("counted"));
    for line in [
        "listmill_replies_total{outcome=\"delivered\",code=\"250\",status=\"2.0.0\"} 1",
        "listmill_replies_total{outcome=\"deferred\",code=\"451\",status=\"4.2.1\"} 1",
        "listmill_replies_total{outcome=\"refused\",code=\"550\",status=\"5.1.1\"} 1",
        "listmill_delivery_seconds_count 1",
        "listmill_dispositions_total{runner=\"inbound\",disposition=\"forward\"} 1",
        "listmill_dispositions_total{runner=\"moderation\",disposition=\"forward\"} 1",
        "listmill_dispositions_total{runner=\"outbound\",disposition=\"deliver\"} 1",
        "listmill_queue_deferred{queue=\"outbound\"} 1",
        "listmill_queue_depth{queue=\"outbound\"} 0",
        "listmill_queue_oldest_seconds{queue=\"outbound\"} 0",
        "listmill_queue_shunted{queue=\"auth\"} 0",
        "listmill_runner_up{runner=\"bounce\"} 1",
        "listmill_store_up 1",
        "listmill_trail_lost_total 0",
        "listmill_healthy 1",
    ] {
        wait_for_metric(&at, line);
    }
    let page = get(&at, "/metrics").1;
    assert!(page.contains("listmill_disk_free_bytes{path=") && !page.contains("listmill_broker_up"), "{page}");
    assert_eq!(wait_for_health(&at, "200", "ok"), "ok\n");
    assert_eq!(reasons(&site), "[]");
    let told = site.ok(&["status"]);
    assert!(told.contains("health: ok") && told.contains("451 4.2.1 (1)") && told.contains(&at), "{told}");
    running.stop();
}

/// More clients than there is room for, all of them silent: each is cut off after its time.
#[test]
fn silent_clients_keep_nobody_out() {
    let site = Site::new("maildir:copies", METRICS);
    let running = site.run();
    let at = address(&site, running.pid());
    let silent: Vec<TcpStream> = (0..12).map(|_| TcpStream::connect(&at).unwrap()).collect();
    assert!(get(&at, "/metrics").0.contains(" 200 "));
    drop(silent);
    running.stop();
}

#[test]
fn without_a_key_nobody_listens_and_a_wrong_one_is_named() {
    let site = Site::new("maildir:copies", "");
    let running = site.run();
    assert!(site.json(&["status"])["running"][0]["metrics"].is_null());
    running.stop();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap();
    site.configure("maildir:copies", &format!("[metrics]\nlisten = \"{at}\"\n"));
    let told = String::from_utf8(site.with_input(&["check"], b"").stdout).unwrap();
    assert!(told.contains(&format!("WRONG  metrics {at}")), "{told}");
    site.configure("maildir:copies", "[metrics]\nlisten = \"9100\"\n");
    assert!(site.fails(78, &["check"], b"").contains("metrics.listen"));
    site.configure("maildir:copies", "[metrics]\nport = 9100\n");
    assert!(site.fails(78, &["check"], b"").contains("port"));
}
