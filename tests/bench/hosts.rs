//! Over a broker and a database: all stages apart, several processes of one runner against one, and what the database takes.
//!
//! RabbitMQ and PostgreSQL are those of the tests, on this machine and on its disk, with the sink and the clients. So a rate stands beside what the
//! same broker takes from the simplest pipeline in the same run, and CPU is counted for each of them.

use std::time::{Duration, Instant};

use listmill_core::settings::Cascade;
use listmill_core::{ListAddress, StoreView as _};
use listmill_store::{PostgresConfig, PostgresStore};
use listmill_tests::postgres::{PASSWORD, PostgresServer};
use listmill_tests::rabbit::Rabbit;

use crate::Failure;
use crate::broker::Broker;
use crate::client::{LIST, hand_in};
use crate::options::Options;
use crate::program::{Serving, Site, cpu_below};
use crate::sink::{Sink, member};

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
/// Members that are imported into the database.
const IMPORT: usize = 100_000;
/// How often a member is looked up.
const LOOKUPS: usize = 5_000;

/// The servers.
struct Servers {
    rabbit: Rabbit,
    postgres: PostgresServer,
    broker: Broker,
}

/// CPU time of the servers so far.
struct ServersCpu {
    broker: Duration,
    database: Duration,
}

impl Servers {
    fn start() -> Result<Self, Failure> {
        let rabbit = Rabbit::start().ok_or("no broker")?;
        let postgres = PostgresServer::start().ok_or("no database")?;
        let broker = Broker::connect(&rabbit.url())?;
        Ok(Servers { rabbit, postgres, broker })
    }

    /// A site over the broker and a new database, with a list.
    fn site(&self, options: &Options, sink: &Sink) -> Result<(Site, PostgresConfig), Failure> {
        let (database, secret) = (self.postgres.database(), self.postgres.dir().join("for-the-benchmark"));
        std::fs::write(&secret, PASSWORD)?;
        let more = format!(
            "[queue]\nbackend = \"amqp\"\nurl = \"{}\"\n[store]\nbackend = \"postgres\"\nurl = \"{}\"\npassword_file = \"{}\"\n",
            self.rabbit.url(),
            database.url,
            secret.display()
        );
        let site = Site::with(options, sink.address, &more)?;
        site.create_list()?;
        Ok((site, database))
    }

    fn cpu(&self) -> Result<ServersCpu, Failure> {
        let rabbit = self.rabbit.pid().ok_or("the broker is down")?;
        Ok(ServersCpu { broker: cpu_below(rabbit)?, database: cpu_below(self.postgres.pid())? })
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
pub(crate) fn tables(options: &Options) -> Result<(), Failure> {
    let servers = Servers::start()?;
    println!("{}\n", apart(options, &servers)?);
    println!("{}\n", several(options, &servers)?);
    println!("{}", database(options, &servers)?);
    Ok(())
}

/// Each runner in a process of its own, from the first LMTP command to the last copy.
fn apart(options: &Options, servers: &Servers) -> Result<String, Failure> {
    let posts = options.hosts_posts;
    let chain = servers.broker.chain(posts, options.size + 800, QUEUES)?;
    let sink = Sink::start()?;
    let (site, _) = servers.site(options, &sink)?;
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
    Ok(format!(
        "| {posts} posts to {MEMBERS} members, all stages apart over RabbitMQ and PostgreSQL | posts/s accepted | posts/s to the last copy \
         | entries/s through {QUEUES} queues | the broker's own limit | of that | CPU ms per post: listmill | broker | database |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n\
         | | {:.0} | {:.0} | {ours:.0} | {limit:.0} | {:.2} | {:.2} | {:.2} | {:.2} |",
        per_second(posts, accepted),
        per_second(posts, took),
        ours / limit,
        each(cpu, posts),
        each(after.broker.saturating_sub(theirs.broker), posts),
        each(after.database.saturating_sub(theirs.database), posts),
    ))
}

/// One moderation and one pending process, then four of each, with the same posts waiting before them; and every copy of each post once.
fn several(options: &Options, servers: &Servers) -> Result<String, Failure> {
    let posts = options.hosts_posts;
    let mut table = format!(
        "| {posts} posts through moderation and pending over PostgreSQL | posts/s | CPU ms per post: listmill | broker | database | each copy once |\n\
         | --- | --- | --- | --- | --- | --- |\n"
    );
    let mut rates = Vec::new();
    for processes in [1, 4] {
        let (rate, row) = through(options, servers, processes)?;
        table += &row;
        rates.push(rate);
    }
    Ok(table + &format!("| four beside one | {:.2} times | | | | |", rates[1] / rates[0]))
}

fn through(options: &Options, servers: &Servers, processes: usize) -> Result<(f64, String), Failure> {
    let posts = options.hosts_posts;
    let sink = Sink::start()?;
    let (site, _) = servers.site(options, &sink)?;
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
    let row = format!(
        "| {processes} of each | {rate:.0} | {:.2} | {:.2} | {:.2} | yes, {} |\n",
        each(cpu, posts),
        each(after.broker.saturating_sub(theirs.broker), posts),
        each(after.database.saturating_sub(theirs.database), posts),
        posts * MEMBERS,
    );
    Ok((rate, row))
}

/// What the database takes: members in, members found.
fn database(options: &Options, servers: &Servers) -> Result<String, Failure> {
    let sink = Sink::start()?;
    let (site, database) = servers.site(options, &sink)?;
    let before = servers.cpu()?.database;
    let (took, kib) = site.import(IMPORT)?;
    let cpu = servers.cpu()?.database.saturating_sub(before);
    let store = PostgresStore::open(&database, Cascade::default())?;
    let list: ListAddress = LIST.parse()?;
    let mut times = Vec::with_capacity(LOOKUPS);
    for number in 0..LOOKUPS {
        // All over the roster, in no order: 7,919 is prime, and so never comes to the same one twice.
        let who = member(number * 7_919 % IMPORT).parse()?;
        let begun = Instant::now();
        let found = store.member(&list, &who)?;
        times.push(begun.elapsed());
        found.ok_or("a member who was imported is not there")?;
    }
    times.sort_unstable();
    let micros = |part: usize| times[LOOKUPS * part / 100].as_micros();
    Ok(format!(
        "| PostgreSQL | import, members/s | peak memory of the command | CPU of the server | a look-up of one of {IMPORT} members: median | 99 of 100 |\n\
         | --- | --- | --- | --- | --- | --- |\n| {IMPORT} members | {:.0} | {:.1} MiB | {:.2} s | {} µs | {} µs |",
        per_second(IMPORT, took),
        kib as f64 / 1024.0,
        cpu.as_secs_f64(),
        micros(50),
        micros(99),
    ))
}

fn cpu_of(serving: &[Serving<'_>]) -> Result<Duration, Failure> {
    serving.iter().map(Serving::cpu).sum()
}

fn per_second(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64().max(1e-9)
}

/// Milliseconds for each of so many.
fn each(cpu: Duration, count: usize) -> f64 {
    cpu.as_secs_f64() * 1e3 / count as f64
}
