//! Something is taken away while mail keeps coming, and comes back: nothing is lost, nothing is done twice, and it does not take long.

use std::time::{Duration, Instant};

use listmill_tests::estate::{CONNECTIONS, Estate, shared};
use listmill_tests::needs::skipped;
use listmill_tests::program::PATIENCE;

use super::load::{Account, Load};
use super::{full, pass};

/// The last message that waited has left, and another was taken, so long after everything is there again.
const RECOVERY: Duration = Duration::from_secs(30);

/// Takes it away for a while, and brings it back. `repeats`: so many copies may come twice.
fn taken(name: &str, what: &str, repeats: usize, away: impl Fn(&mut Estate), back: impl Fn(&mut Estate)) {
    let Some(mut estate) = shared() else { return };
    let estate = estate.as_mut().unwrap();
    let (pause, time) = if full() { (150, 60) } else { (100, 6) };
    let mut load = Load::new(estate, name);
    let mark = estate.sink.count();
    load.start(estate, Duration::from_millis(pause));
    assert!(estate.sink.wait(PATIENCE, |sink| sink.count() > mark + 50), "mail flows before anything is taken away");
    let before = load.taken();
    away(estate);
    let gone = Instant::now();
    // Nothing is waited for here but the time without it.
    pass(Duration::from_secs(time).saturating_sub(gone.elapsed()));
    let (meanwhile, out) = (load.taken(), estate.sink.count());
    back(estate);
    let again = Instant::now();
    let gone = again - gone;
    let (waiting, all) = (load.taken(), mark + load.expected());
    estate.sink.wait(PATIENCE, |sink| sink.count() > out || sink.count() >= all);
    let first = again.elapsed();
    // What had waited is out, and intake takes mail again: nobody has recovered before.
    load.wait_until_out(estate, &waiting);
    load.wait_for_another();
    let recovered = again.elapsed();
    load.stop();
    let account = load.account(estate, again);
    row(
        what,
        gone,
        meanwhile.posts.len() + meanwhile.joins.len() - before.posts.len() - before.joins.len(),
        (first, recovered),
        &account,
    );
    assert_eq!(account.lost, Vec::<String>::new(), "lost while {what} was away");
    assert!(account.twice.is_empty(), "commands that were not done once: {:?}", account.twice);
    // What was sent again because nobody answered may be there twice, with all its copies.
    let repeats = repeats + account.taken.in_doubt * super::load::MEMBERS;
    assert!(account.doubled <= repeats, "{} copies came twice, of {repeats} that may", account.doubled);
    assert!(recovered < RECOVERY, "{what}: recovered after {recovered:?}");
}

fn row(what: &str, gone: Duration, meanwhile: usize, (first, recovered): (Duration, Duration), account: &Account) {
    println!(
        "| {what} | {:.0} s | {} | {meanwhile} | {} | {} | {} | {} | {:.1} s | {:.1} s |",
        gone.as_secs_f64(),
        account.taken.posts.len() + account.taken.joins.len(),
        account.taken.later,
        account.lost.len(),
        account.twice.len(),
        account.doubled,
        first.as_secs_f64(),
        recovered.as_secs_f64()
    );
}

/// What differs little from a test that always runs is left to the long run, by name.
fn long() -> bool {
    if !full() {
        skipped("LISTMILL_TESTS_FULL=1 runs it");
    }
    full()
}

fn cut(name: &str, near: &str, far: &str, repeats: usize) {
    let what = format!("the cable {near} - {far}");
    let (near, far) = (near.to_owned(), far.to_owned());
    taken(name, &what, repeats, |estate| estate.network.cut(&near, &far), |estate| estate.network.mend(&near, &far));
}

#[test]
fn host_a() {
    let away = |estate: &mut Estate| estate.mx.running.take().unwrap().kill();
    taken("hosta", "mx1, kill -9", 0, away, Estate::whole);
}

#[test]
fn host_b() {
    let away = |estate: &mut Estate| {
        estate.network.cut("db1", "mq");
        estate.network.cut("db1", "pg");
        estate.db.running.take().unwrap().kill();
    };
    let back = |estate: &mut Estate| {
        estate.network.mend("db1", "mq");
        estate.network.mend("db1", "pg");
        estate.whole();
    };
    taken("hostb", "db1: its power", 0, away, back);
}

#[test]
fn host_c() {
    let away = |estate: &mut Estate| estate.out.running.take().unwrap().kill();
    taken("hostc", "out1, kill -9", CONNECTIONS, away, Estate::whole);
}

#[test]
fn the_broker_by_kill() {
    let away = |estate: &mut Estate| estate.rabbit.kill();
    taken("brokerkilled", "the broker, kill -9", 0, away, start_broker);
}

#[test]
fn the_broker_in_order() {
    if !long() {
        return;
    }
    let away = |estate: &mut Estate| estate.rabbit.stop();
    taken("brokerstopped", "the broker, stopped", 0, away, start_broker);
}

pub(crate) fn start_broker(estate: &mut Estate) {
    let network = std::sync::Arc::clone(&estate.network);
    network.within("mq", || estate.rabbit.run());
}

#[test]
fn the_database() {
    let away = |estate: &mut Estate| estate.postgres.kill();
    let back = |estate: &mut Estate| estate.network.within("pg", || estate.postgres.start_again());
    taken("database", "the database, kill -9", 0, away, back);
}

#[test]
fn the_cable_from_a_to_the_broker() {
    if !long() {
        return;
    }
    cut("cutamq", "mx1", "mq", 0);
}

#[test]
fn the_cable_from_b_to_the_broker() {
    cut("cutbmq", "db1", "mq", 0);
}

#[test]
fn the_cable_from_c_to_the_broker() {
    if !long() {
        return;
    }
    cut("cutcmq", "out1", "mq", 0);
}

#[test]
fn the_cable_from_b_to_the_database() {
    cut("cutbpg", "db1", "pg", 0);
}

#[test]
fn the_cable_from_c_to_the_smarthost() {
    if !long() {
        return;
    }
    cut("cutcout", "out1", "world", CONNECTIONS);
}
