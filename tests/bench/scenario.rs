//! Posts to a list, from the first LMTP command to the last copy, and what the sink takes from a trivial sender beside it.

use std::time::{Duration, Instant};

use crate::Failure;
use crate::client::{Trivial, hand_in};
use crate::options::Options;
use crate::program::{Serving, Site};
use crate::row::per_second;
use crate::sink::Sink;

/// How long no copy may arrive before something must be wrong.
const PATIENCE: Duration = Duration::from_secs(60);
/// A limit is measured on so many copies at least, and so many at most.
const COPIES: (usize, usize) = (30_000, 100_000);
/// How often: the best of them counts.
const ROUNDS: usize = 2;

/// What some posts took.
pub(crate) struct Run {
    pub(crate) copies: usize,
    /// Until the last post had its 250, the first copy came, the last copy came.
    pub(crate) accepted: Duration,
    pub(crate) first: Duration,
    pub(crate) delivered: Duration,
    pub(crate) cpu: Duration,
    pub(crate) peak_kib: u64,
    /// Connections to the sink that brought copies, and octets of a copy.
    pub(crate) connections: usize,
    pub(crate) octets: usize,
}

impl Run {
    /// Deliveries in a second.
    pub(crate) fn rate(&self) -> f64 {
        per_second(self.copies, self.delivered)
    }

    /// CPU of one, in microseconds.
    pub(crate) fn micros(&self) -> f64 {
        crate::row::micros_each(self.cpu, self.copies)
    }
}

/// Hands the posts in on so many connections and waits until every copy has come.
pub(crate) fn deliver(
    options: &Options,
    serving: &Serving<'_>,
    sink: &Sink,
    posts: usize,
    members: usize,
    clients: usize,
) -> Result<Run, Failure> {
    let (cpu, begun) = (serving.cpu()?, Instant::now());
    hand_in(serving.lmtp, posts, options.size, clients)?;
    let accepted = begun.elapsed();
    if !sink.wait_for(posts * members, PATIENCE) {
        let failure = sink.tally().check(posts, members).err().unwrap_or_else(|| "nothing arrives".into());
        return Err(format!("{failure}\n{}", serving.queues()).into());
    }
    let (cpu, peak_kib) = (serving.cpu()?.saturating_sub(cpu), serving.peak_kib()?);
    serving.check_queues()?;
    let tally = sink.tally();
    let since = |when: Option<Instant>| when.map_or(Duration::ZERO, |when| when - begun);
    Ok(Run {
        copies: posts * members,
        accepted,
        first: since(tally.first),
        delivered: since(tally.last),
        cpu,
        peak_kib,
        connections: tally.most_open,
        octets: tally.octets_each(),
    })
}

/// The same in a site of its own, whose sink answers each message so much later.
pub(crate) fn distribution(
    options: &Options,
    connections: usize,
    delay: Duration,
    posts: usize,
    members: usize,
) -> Result<Run, Failure> {
    let sink = Sink::slow(delay)?;
    let site = Site::new(options, sink.address, connections)?;
    site.create_list()?;
    site.import(members)?;
    let serving = site.serve()?;
    let run = deliver(options, &serving, &sink, posts, members, options.clients)?;
    // After a graceful stop nothing is in flight: what was doubled has arrived by now.
    serving.stop()?;
    sink.tally().check(posts, members)?;
    Ok(run)
}

/// What a sink takes from a trivial sender: messages in a second.
pub(crate) struct Limit {
    pub(crate) pipelined: f64,
    pub(crate) riding: f64,
}

/// Measures it on as many connections as that run has used, with copies as long as its own.
pub(crate) fn limit(run: &Run, delay: Duration) -> Result<Limit, Failure> {
    let rate = |riding: bool| -> Result<f64, Failure> {
        let mut best = 0.0_f64;
        for _ in 0..ROUNDS {
            let copies = run.copies.clamp(COPIES.0, COPIES.1);
            let sink = Sink::slow(delay)?;
            let trivial = Trivial { copies, octets: run.octets, connections: run.connections, together: 1, riding };
            let took = trivial.send(sink.address)?;
            sink.tally().check(1, copies)?;
            best = best.max(per_second(copies, took));
        }
        Ok(best)
    };
    Ok(Limit { pipelined: rate(false)?, riding: rate(true)? })
}
