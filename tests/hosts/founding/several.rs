//! Several processes of one runner over one PostgreSQL: every post once, and what that brings.

use std::time::Instant;

use listmill_tests::estate::{Estate, shared};
use listmill_tests::program::Running;

use super::full;
use super::load::{Account, Load};

/// So many processes more of each of the two runners.
fn more(estate: &Estate, processes: usize) -> Vec<Running> {
    let runners = ["moderation", "pending"];
    (1..processes).flat_map(|_| runners.map(|runner| estate.db.site.run_with(&[runner]))).collect()
}

/// Lets mail wait before HostB, and then has it served by so many moderation and pending processes.
fn served_by(estate: &mut Estate, processes: usize, messages: usize) -> (Account, f64) {
    let load = Load::new(estate, &format!("by{processes}x"));
    estate.db.running.take().unwrap().stop();
    load.write(estate, messages);
    let others = more(estate, processes);
    estate.whole();
    let start = Instant::now();
    let account = load.account(estate, start);
    others.into_iter().for_each(|running| _ = running.stop());
    let rate = account.taken.posts.len() as f64 / account.last.as_secs_f64();
    (account, rate)
}

#[test]
fn four_moderation_and_four_pending_processes() {
    let Some(mut estate) = shared() else { return };
    let estate = estate.as_mut().unwrap();
    let messages = if full() { 2_000 } else { 60 };
    println!(
        "| moderation and pending processes | posts | posts/s to their last copy | lost | doubled | commands not once |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for processes in [1, 4] {
        let (account, rate) = served_by(estate, processes, messages);
        let (posts, lost, doubled, twice) =
            (account.taken.posts.len(), account.lost.len(), account.doubled, account.twice.len());
        println!("| {processes} | {posts} | {rate:.0} | {lost} | {doubled} | {twice} |");
        assert_eq!((lost, doubled, twice), (0, 0, 0), "with {processes} processes: {account:?}");
    }
}
