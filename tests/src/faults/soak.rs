//! The soak: seven processes serve for a long time, one or all of them killed every few seconds, while posts, commands and bounces flow.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a harness for tests: files, the clock, and it tells how far it is"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::books::Books;
use super::ledger::{appended, line};
use super::mill::{Mill, RUNNERS};
use super::storm::{Writers, chance, pass};
use super::sweep::{memory, new_run};

/// How long until the next kill at most.
const MOMENT: u64 = 15_000;
/// One in so many kills is of everything.
const ALL: u64 = 10;
/// Between two mails of a writer.
const PAUSE: Duration = Duration::from_millis(300);
/// Members of whom each can bounce once a minute of the soak.
const WIDE_A_MINUTE: u64 = 400;
/// From this age on the memory of a process counts: before that it reads what it needs.
const GROWN: Duration = Duration::from_secs(10);

/// What a process needed when it was killed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sight {
    /// Seconds since the soak began.
    pub at: u64,
    /// Which.
    pub runner: String,
    /// How long it had lived, in seconds.
    pub age: u64,
    /// Its resident memory, in KiB.
    pub rss: u64,
}

/// What a soak came to.
pub struct Soaked {
    /// The ledgers joined.
    pub books: Books,
    /// How often something was killed.
    pub kills: usize,
    /// From the last kill and the last mail until nothing waited any more.
    pub drained: Duration,
    /// For each runner the median of its memory in the second and in the last third, in KiB.
    pub memory: BTreeMap<String, (u64, u64)>,
}

/// Soaks for so long.
///
/// # Errors
/// Something was set aside, or did not drain.
pub fn soak(place: &Path, time: Duration) -> Result<Soaked, String> {
    let run = new_run(place);
    let wide = WIDE_A_MINUTE * time.as_secs().div_ceil(60);
    let mut mill = Mill::new(&memory(), &run, wide);
    mill.kill_all();
    mill.start_missing(&RUNNERS);
    let file = Mutex::new(appended(&run.join("memory.jsonl")));
    let (began, mut born, mut sights, mut kills) = (Instant::now(), BTreeMap::new(), Vec::new(), 0);
    born.extend(RUNNERS.map(|runner| (runner, Instant::now())));
    let writers = Writers::start(&mill.traffic, 2, PAUSE);
    while began.elapsed() < time {
        pass(Duration::from_millis(chance(MOMENT)).min(time));
        let one = RUNNERS[usize::try_from(chance(7)).unwrap_or(0)];
        let struck = if chance(ALL) == 0 { RUNNERS.to_vec() } else { vec![one] };
        for runner in &RUNNERS {
            let (at, age) = (began.elapsed().as_secs(), born[runner].elapsed());
            if let Some(rss) = mill.process(runner).rss_kib().filter(|_| age > GROWN) {
                let sight = Sight { at, runner: (*runner).to_owned(), age: age.as_secs(), rss };
                line(&file, &sight);
                sights.push(sight);
            }
        }
        kills += struck.len();
        if struck.len() == 1 {
            mill.kill(one)
        } else {
            mill.kill_all()
        }
        mill.start_missing(&RUNNERS);
        born.extend(struck.into_iter().map(|runner| (runner, Instant::now())));
        println!("{} s: {kills} kills, {} mails", began.elapsed().as_secs(), mill.traffic.next());
    }
    writers.stop();
    let drained = mill.settled()?;
    let books = mill.close_books();
    Ok(Soaked { books, kills, drained, memory: medians(&sights, time) })
}

fn medians(sights: &[Sight], time: Duration) -> BTreeMap<String, (u64, u64)> {
    let third = |runner: &str, number: u64| {
        let (from, to) = (time.as_secs() * number / 3, time.as_secs() * (number + 1) / 3);
        let mut rss: Vec<u64> = sights
            .iter()
            .filter(|sight| sight.runner == runner && (from..=to).contains(&sight.at))
            .map(|sight| sight.rss)
            .collect();
        rss.sort_unstable();
        rss.get(rss.len() / 2).copied().unwrap_or(0)
    };
    RUNNERS.into_iter().map(|runner| (runner.to_owned(), (third(runner, 1), third(runner, 2)))).collect()
}
