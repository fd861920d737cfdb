//! The backends that hosts can share on one machine: a spool at one place, and a sled store that one of them owns. No broker is needed to see
//! what each process opens, nor for the directory.

use listmill_tests::hosts::Hosts;
use tempfile::TempDir;

use crate::story;

/// Three hosts with one spool; it goes when the directory is dropped.
pub(crate) fn hosts() -> (Hosts, TempDir) {
    let spool = TempDir::new().unwrap();
    let hosts = Hosts::new(&format!("[queue]\npath = \"{}\"\n", spool.path().display()));
    (hosts, spool)
}

#[test]
fn mail_passes_from_host_to_host() {
    story::mail_passes_from_host_to_host(&hosts().0);
}

#[test]
fn the_others_go_on_while_the_store_is_away() {
    story::the_others_go_on_while_the_store_is_away(&hosts().0);
}

#[test]
fn hosts_without_a_store_open_none_and_know_nobody() {
    story::hosts_without_a_store_open_none_and_know_nobody(&hosts().0);
}

#[test]
fn a_runner_moves_with_mail_flowing() {
    story::a_runner_moves_with_mail_flowing(&hosts().0);
}
