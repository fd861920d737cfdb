//! Rows: many posts to a short list; and how many messages a second are durable when they are accepted.

use std::time::{Duration, Instant};

use crate::Failure;
use crate::client::hand_in;
use crate::log::shared_log;
use crate::options::Options;
use crate::program::Site;
use crate::row::{Row, Table, grouped, megabytes, micros_each, per_second};
use crate::scenario::distribution;
use crate::sink::Sink;

/// Posts a second, each to the last copy.
const POSTS: f64 = 1_700.0;
/// Messages a second that are accepted, and how much of the shared log's limit.
const ACCEPTS: f64 = 7_000.0;
const RATIO: f64 = 0.5;
/// How many hand in at the same time.
const SESSIONS: usize = 50;
/// So long nothing may be decided before something must be wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// Prints the first.
pub(crate) fn delivered(options: &Options, table: &mut Table) -> Result<(), Failure> {
    let Options { posts, few, .. } = *options;
    let run = distribution(options, options.connections, Duration::ZERO, posts, few)?;
    let (rate, accepted) = (per_second(posts, run.delivered), per_second(posts, run.accepted));
    table.row(&Row {
        work: format!("{} posts to {few} members, delivered", grouped(posts as f64)),
        ours: format!("{} posts/s, accepted at {}/s", grouped(rate), grouped(accepted)),
        target: format!("≥ {} posts/s", grouped(POSTS)),
        cpu: format!("{:.1} µs a delivery", run.micros()),
        peak: Some(megabytes(run.peak_kib)),
        met: Some(rate >= POSTS),
        ..Row::default()
    });
    Ok(())
}

/// Prints the second. The list has nobody who gets a copy, and the whole program runs: what is accepted is moderated, and found to go to nobody.
pub(crate) fn accepted(options: &Options, table: &mut Table) -> Result<(), Failure> {
    let posts = options.accepts;
    let sink = Sink::start()?;
    let site = Site::new(options, sink.address, options.connections)?;
    site.create_list()?;
    let serving = site.serve()?;
    let (cpu, begun) = (serving.cpu()?, Instant::now());
    hand_in(serving.lmtp, posts, options.size, SESSIONS)?;
    let took = begun.elapsed();
    let (used, waiting) = (serving.cpu()?.saturating_sub(cpu), serving.depths()?);
    serving.wait_until_empty(PATIENCE)?;
    let (all, peak) = (serving.cpu()?.saturating_sub(cpu), serving.peak_kib()?);
    serving.check_queues()?;
    serving.stop()?;
    // A message, and about so much in front of it.
    let limit = shared_log(&options.dir, SESSIONS, options.size + 800)?;
    let (rate, each) = (per_second(posts, took), |cpu| micros_each(cpu, posts));
    table.row(&Row {
        work: format!("{} durable accepts by LMTP, {SESSIONS} sessions", grouped(posts as f64)),
        ours: format!("{}/s, {} still waiting then", grouped(rate), grouped(waiting as f64)),
        limit: format!("{}/s, a shared log with {SESSIONS} who append", grouped(limit)),
        ratio: Some(rate / limit),
        target: format!("≥ {}/s, ≥ {RATIO} of the shared log", grouped(ACCEPTS)),
        cpu: format!("{:.0} µs, {:.0} µs with all that follows", each(used), each(all)),
        peak: Some(megabytes(peak)),
        met: Some(rate >= ACCEPTS && rate >= RATIO * limit),
    });
    Ok(())
}
