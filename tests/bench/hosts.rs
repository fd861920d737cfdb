//! Rows: over a broker and a database, all stages apart, and several processes of one runner against one.
//!
//! RabbitMQ and PostgreSQL are those of the tests, on this machine and on its disk, with the sink and the clients. So a rate stands beside what the
//! same broker takes from the simplest pipeline in the same run, and CPU is counted for each of them.

use std::time::{Duration, Instant};

use listmill_tests::rabbit::Rabbit;

use crate::Failure;
use crate::broker::Broker;
use crate::client::hand_in;
use crate::database::Database;
use crate::options::Options;
use crate::process::cpu_below;
use crate::program::{Serving, Site};
use crate::row::{Row, Table, grouped, per_second};
use crate::sink::Sink;

/// How long nothing may move before something must be wrong.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often the broker is asked how far it is.
const PAUSE: Duration = Duration::from_millis(10);
/// Queues at the broker that a post goes through: those of auth, moderation, pending and outbound.
const QUEUES: usize = 4;
/// Members of the list: each post is one entry in each queue.
const MEMBERS: usize = 5;
/// Clients that hand in; each waits for the broker's confirm.
const CLIENTS: usize = 50;
/// Of the broker's own limit, in entries.
const RATIO: f64 = 0.8;

/// The servers.
struct Servers {
    rabbit: Rabbit,
    postgres: Database,
    broker: Broker,
}

/// CPU time of the servers so far.
struct ServersCpu {
    broker: Duration,
    database: Duration,
}

impl Servers {
    /// None where the machine has not both.
    fn start() -> Result<Option<Self>, Failure> {
        let (Some(rabbit), Some(postgres)) = (Rabbit::start(), Database::start()) else { return Ok(None) };
        let broker = Broker::connect(&rabbit.url())?;
        Ok(Some(Servers { rabbit, postgres, broker }))
    }

    /// A site over the broker and a new database, with a list.
    fn site(&self, options: &Options, sink: &Sink) -> Result<Site, Failure> {
        let (_, store) = self.postgres.section()?;
        let more = format!("[queue]\nbackend = \"amqp\"\nurl = \"{}\"\n{store}", self.rabbit.url());
        let site = Site::with(options, sink.address, options.connections, &more)?;
        site.create_list()?;
        Ok(site)
    }

    fn cpu(&self) -> Result<ServersCpu, Failure> {
        let rabbit = self.rabbit.pid().ok_or("the broker is down")?;
        Ok(ServersCpu { broker: cpu_below(rabbit)?, database: self.postgres.cpu()? })
    }

    /// Waits until so many entries lie in a queue; when the first one was seen there, and when the last.
    fn wait_for_depth(&self, queue: &str, wanted: usize) -> Result<(Instant, Instant), Failure> {
        let (mut first, mut last) = (None, (0, Instant::now()));
        loop {
            let (depth, now) = (self.broker.depth(queue)?, Instant::now());
            first = first.or((depth > 0).then_some(now));
            if let Some(first) = first.filter(|_| depth >= wanted) {
                return Ok((first, now));
            }
            if depth > last.0 {
                last = (depth, now);
            } else if now - last.1 > PATIENCE {
                return Err(format!("{depth} entries of {wanted} are in {queue}").into());
            }
            std::thread::park_timeout(PAUSE);
        }
    }
}

/// Prints them, each when it is there.
pub(crate) fn rows(options: &Options, table: &mut Table) -> Result<(), Failure> {
    let Some(servers) = Servers::start()? else {
        table.skip("over RabbitMQ, all stages apart", "not both RabbitMQ and PostgreSQL on this machine");
        return Ok(());
    };
    apart(options, &servers, table)?;
    several(options, &servers, table)
}

/// Each runner in a process of its own, from the first LMTP command to the last copy.
fn apart(options: &Options, servers: &Servers, table: &mut Table) -> Result<(), Failure> {
    let posts = options.hosts_posts;
    let chain = servers.broker.chain(posts, options.size + 800, QUEUES)?;
    let sink = Sink::start()?;
    let site = servers.site(options, &sink)?;
    site.import(MEMBERS)?;
    let runners = ["inbound", "auth", "moderation", "pending", "command", "bounce", "outbound"];
    let serving = runners.map(|runner| site.serve_only(&[runner])).into_iter().collect::<Result<Vec<_>, _>>()?;
    let (begun, cpu, theirs) = (Instant::now(), cpu_of(&serving)?, servers.cpu()?);
    hand_in(serving[0].lmtp, posts, options.size, CLIENTS)?;
    let accepted = begun.elapsed();
    if !sink.wait_for(posts * MEMBERS, PATIENCE) {
        let failure = sink.tally().check(posts, MEMBERS).err().unwrap_or_else(|| "nothing arrives".into());
        return Err(format!("{failure}\n{}", serving[0].queues()).into());
    }
    let took = sink.tally().last.map_or(Duration::ZERO, |last| last - begun);
    let (cpu, after) = (cpu_of(&serving)?.saturating_sub(cpu), servers.cpu()?);
    serving.into_iter().try_for_each(Serving::stop)?;
    sink.tally().check(posts, MEMBERS)?;
    let (ours, limit) = (per_second(posts * QUEUES, took), per_second(posts * QUEUES, chain));
    table.row(&Row {
        work: format!(
            "{} posts to {MEMBERS} members, all stages apart over RabbitMQ and PostgreSQL, {CLIENTS} sessions",
            grouped(posts as f64)
        ),
        ours: format!(
            "{} entries/s through {QUEUES} queues; {} posts/s, accepted at {}/s",
            grouped(ours),
            grouped(per_second(posts, took)),
            grouped(per_second(posts, accepted)),
        ),
        limit: format!("{} entries/s, a chain of {QUEUES} queues", grouped(limit)),
        ratio: Some(ours / limit),
        target: format!("≥ {RATIO} of the chain"),
        cpu: format!(
            "{:.2} ms a post; broker {:.2}, database {:.2}",
            each(cpu, posts),
            each(after.broker.saturating_sub(theirs.broker), posts),
            each(after.database.saturating_sub(theirs.database), posts),
        ),
        peak: None,
        met: Some(ours >= RATIO * limit),
    });
    Ok(())
}

/// One moderation and one pending process, then four of each, with the same posts waiting before them; and every copy of each post once.
fn several(options: &Options, servers: &Servers, table: &mut Table) -> Result<(), Failure> {
    let mut one = None;
    for processes in [1, 4] {
        let (rate, cpu) = through(options, servers, processes)?;
        let base = *one.get_or_insert(rate);
        table.row(&Row {
            work: format!(
                "{} posts through moderation and pending over both, {processes} process(es) of each",
                grouped(options.hosts_posts as f64)
            ),
            ours: format!("{} posts/s", grouped(rate)),
            limit: format!("{} posts/s with one of each", grouped(base)),
            ratio: Some(rate / base),
            cpu,
            ..Row::default()
        });
    }
    Ok(())
}

fn through(options: &Options, servers: &Servers, processes: usize) -> Result<(f64, String), Failure> {
    let posts = options.hosts_posts;
    let sink = Sink::start()?;
    let site = servers.site(options, &sink)?;
    site.import(MEMBERS)?;
    let taking = site.serve_only(&["inbound", "auth"])?;
    hand_in(taking.lmtp, posts, options.size, CLIENTS)?;
    servers.wait_for_depth("listmill.moderation", posts)?;
    taking.stop()?;
    site.ask(&["queue", "pause", "moderation"])?;
    let serve = |_| Ok([site.serve_only(&["moderation"])?, site.serve_only(&["pending"])?]);
    let serving: Vec<Serving<'_>> =
        (0..processes).map(serve).collect::<Result<Vec<_>, Failure>>()?.into_iter().flatten().collect();
    let (cpu, theirs) = (cpu_of(&serving)?, servers.cpu()?);
    site.ask(&["queue", "resume", "moderation"])?;
    let (first, last) = servers.wait_for_depth("listmill.outbound", posts)?;
    let (cpu, after) = (cpu_of(&serving)?.saturating_sub(cpu), servers.cpu()?);
    let out = site.serve_only(&["outbound"])?;
    let arrived = sink.wait_for(posts * MEMBERS, PATIENCE);
    serving.into_iter().try_for_each(Serving::stop)?;
    if !arrived {
        let failure = sink.tally().check(posts, MEMBERS).err().unwrap_or_else(|| "nothing arrives".into());
        return Err(format!("with {processes} processes: {failure}\n{}", out.queues()).into());
    }
    out.check_queues()?;
    out.stop()?;
    sink.tally().check(posts, MEMBERS)?;
    let rate = per_second(posts, last - first);
    let cpu = format!(
        "{:.2} ms a post; broker {:.2}, database {:.2}",
        each(cpu, posts),
        each(after.broker.saturating_sub(theirs.broker), posts),
        each(after.database.saturating_sub(theirs.database), posts),
    );
    Ok((rate, cpu))
}

fn cpu_of(serving: &[Serving<'_>]) -> Result<Duration, Failure> {
    serving.iter().map(Serving::cpu).sum()
}

/// Milliseconds for each of so many.
fn each(cpu: Duration, count: usize) -> f64 {
    cpu.as_secs_f64() * 1e3 / count as f64
}
