//! The store in PostgreSQL: the same story, and what is different when nobody owns the store.

use std::time::Duration;

use listmill_tests::hosts::Hosts;
use listmill_tests::postgres::{self, PostgresServer};
use listmill_tests::program::wait_for;
use tempfile::TempDir;

use crate::story::{self, DEV};

/// Three hosts with one spool, and their store in a database whose password only `db1` has.
fn hosts(server: &PostgresServer) -> (Hosts, TempDir) {
    let (spool, database) = (TempDir::new().unwrap(), server.database());
    let hosts = Hosts::new(&format!(
        "[queue]\npath = \"{}\"\n[store]\nbackend = \"postgres\"\nurl = \"{}\"\npassword_file = \"secrets/store-{{host}}\"\n",
        spool.path().display(),
        database.url
    ));
    hosts.passwords(&[("db1", "store", database.password.as_deref().unwrap_or("none"))]);
    (hosts, spool)
}

#[test]
fn mail_passes_from_host_to_host() {
    let Some(server) = postgres::shared() else { return };
    story::mail_passes_from_host_to_host(&hosts(server).0);
}

#[test]
fn hosts_without_a_store_open_none_and_know_nobody() {
    let Some(server) = postgres::shared() else { return };
    story::hosts_without_a_store_open_none_and_know_nobody(&hosts(server).0);
}

#[test]
fn a_runner_moves_with_mail_flowing() {
    let Some(server) = postgres::shared() else { return };
    story::a_runner_moves_with_mail_flowing(&hosts(server).0);
}

#[test]
fn who_needs_the_database_starts_without_it_and_waits() {
    let Some(server) = PostgresServer::start() else { return };
    let (hosts, _spool) = hosts(&server);
    story::dev(&hosts);
    let serving = hosts.run();
    serving.wait_for_rcpt(DEV, "250");
    serving.stop();
    server.kill();
    let serving = hosts.run();
    serving.lmtp().post("u00@example.net", DEV, &story::post("one"));
    wait_for("the process to say what it waits for", || {
        let status = hosts.db.json(&["status"]);
        status["store"]["unreachable"].is_string() && status["running"][0]["runners"]["auth"]["last_error"].is_string()
    });
    server.start_again();
    let start = std::time::Instant::now();
    story::everybody_has(&hosts, &["one".to_owned()]);
    assert!(start.elapsed() < Duration::from_secs(30), "recovered after {:?}", start.elapsed());
    serving.stop();
}
