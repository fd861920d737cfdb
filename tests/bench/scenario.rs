//! What is measured, and how it is said.

use std::fmt;
use std::time::{Duration, Instant};

use crate::Failure;
use crate::client::{hand_in, lock_step};
use crate::options::Options;
use crate::program::Site;
use crate::sink::Sink;

/// How long no copy may arrive before something must be wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the sink takes from a trivial sender.
pub(crate) struct Limit {
    alone: f64,
    together: f64,
    connections: usize,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0}/s on 1 connection, {:.0}/s on {}", self.alone, self.together, self.connections)
    }
}

/// Measures the sink by itself, so that the figures have something to stand beside.
pub(crate) fn sink_limit(options: &Options) -> Result<Limit, Failure> {
    let rate = |connections: usize, copies: usize| -> Result<f64, Failure> {
        let sink = Sink::start()?;
        let begun = Instant::now();
        lock_step(sink.address, copies, options.size, connections)?;
        let took = begun.elapsed();
        sink.tally().check(1, copies)?;
        Ok(per_second(copies, took))
    };
    rate(options.connections, 1_000)?; // caches and the scheduler get warm
    Ok(Limit { alone: rate(1, 5_000)?, together: rate(options.connections, 20_000)?, connections: options.connections })
}

/// What one distribution took.
pub(crate) struct Figures {
    posts: usize,
    members: usize,
    accepted: Duration,
    delivered: Duration,
    cpu: Duration,
    peak_kib: u64,
}

impl Figures {
    /// The row of the table.
    pub(crate) fn row(&self, limit: &Limit) -> String {
        let copies = self.posts * self.members;
        let rate = per_second(copies, self.delivered);
        format!(
            "| {} post{} to {} members | {:.0} | {rate:.0} | {:.2} | {:.0} µs | {} |",
            self.posts,
            if self.posts == 1 { "" } else { "s" },
            self.members,
            per_second(self.posts, self.accepted),
            rate / limit.together,
            self.cpu.as_secs_f64() * 1e6 / copies as f64,
            mebibytes(self.peak_kib)
        )
    }
}

/// Posts to a list, from the first LMTP command to the last copy.
pub(crate) fn distribution(options: &Options, posts: usize, members: usize) -> Result<Figures, Failure> {
    let sink = Sink::start()?;
    let site = Site::new(options, sink.address)?;
    site.create_list()?;
    site.import(members)?;
    let serving = site.serve()?;
    let (begun, cpu) = (Instant::now(), serving.cpu()?);
    hand_in(serving.lmtp, posts, options.size, options.connections)?;
    let accepted = begun.elapsed();
    if !sink.wait_for(posts * members, PATIENCE) {
        let failure = sink.tally().check(posts, members).err().unwrap_or_else(|| "nothing arrives".into());
        return Err(format!("{failure}\n{}", serving.queues()).into());
    }
    let delivered = sink.tally().last.map_or(Duration::ZERO, |last| last - begun);
    let (cpu, peak_kib) = (serving.cpu()?.saturating_sub(cpu), serving.peak_kib()?);
    serving.check_queues()?;
    // After a graceful stop nothing is in flight: what was doubled has arrived by now.
    serving.stop()?;
    sink.tally().check(posts, members)?;
    Ok(Figures { posts, members, accepted, delivered, cpu, peak_kib })
}

/// An import while nothing serves, one while the program serves, and one post to everybody; the row of the table.
pub(crate) fn import(options: &Options, members: usize) -> Result<String, Failure> {
    let sink = Sink::start()?;
    let alone = Site::new(options, sink.address)?;
    alone.create_list()?;
    let (took_alone, alone_kib) = alone.import(members)?;
    let site = Site::new(options, sink.address)?;
    site.create_list()?;
    let serving = site.serve()?;
    let (took, command_kib) = site.import(members)?;
    let after_import = serving.peak_kib()?;
    let (mut after_post, mut rate) = ("-".to_owned(), "-".to_owned());
    if members <= options.post_up_to {
        let begun = Instant::now();
        hand_in(serving.lmtp, 1, options.size, 1)?;
        if !sink.wait_for(members, PATIENCE) {
            let failure = sink.tally().check(1, members).err().unwrap_or_else(|| "nothing arrives".into());
            return Err(format!("{failure}\n{}", serving.queues()).into());
        }
        let delivered = sink.tally().last.map_or(Duration::ZERO, |last| last - begun);
        (after_post, rate) = (mebibytes(serving.peak_kib()?), format!("{:.0}", per_second(members, delivered)));
    }
    serving.check_queues()?;
    serving.stop()?;
    if members <= options.post_up_to {
        sink.tally().check(1, members)?;
    }
    Ok(format!(
        "| {members} | {:.0} | {} | {:.0} | {} | {} | {after_post} | {rate} |",
        per_second(members, took_alone),
        mebibytes(alone_kib),
        per_second(members, took),
        mebibytes(command_kib),
        mebibytes(after_import),
    ))
}

fn per_second(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64().max(1e-9)
}

fn mebibytes(kib: u64) -> String {
    format!("{:.1} MiB", kib as f64 / 1024.0)
}
