//! Rows: a long roster comes in, and one of its members is looked for; in the embedded store, and in a database.

use std::time::{Duration, Instant};

use listmill_core::settings::Cascade;
use listmill_core::{ListAddress, StoreView};
use listmill_store::{PostgresStore, SledStore};

use crate::Failure;
use crate::client::LIST;
use crate::database::Database;
use crate::options::Options;
use crate::program::Site;
use crate::row::{Row, Table, grouped, megabytes, micros_each, per_second};
use crate::sink::Sink;
use crate::tally::member;

/// Members a second, durable at the end: into sled, and into PostgreSQL.
const SLED: f64 = 200_000.0;
const POSTGRES: f64 = 50_000.0;
/// How long a look-up may take: 99 of 100.
const LOOKUP: Duration = Duration::from_millis(1);
/// How many are looked up.
const LOOKUPS: usize = 5_000;

/// Prints them.
pub(crate) fn rows(options: &Options, table: &mut Table) -> Result<(), Failure> {
    let members = options.import;
    let sink = Sink::start()?;
    let list: ListAddress = LIST.parse()?;
    let site = Site::new(options, sink.address, options.connections)?;
    site.create_list()?;
    let (took, kib) = site.import(members)?;
    table.row(&import("sled, nothing serving", members, took, kib, SLED));
    let store = SledStore::open(&site.dir().join("data/store"), Cascade::default())?;
    table.row(&look_up("sled", &store, &list, members)?);
    drop(store);
    let site = Site::new(options, sink.address, options.connections)?;
    site.create_list()?;
    let serving = site.serve()?;
    let cpu = serving.cpu()?;
    let (took, _) = site.import(members)?;
    let (cpu, peak) = (serving.cpu()?.saturating_sub(cpu), serving.peak_kib()?);
    serving.stop()?;
    let mut row = import("sled, through the serving process", members, took, peak, SLED);
    row.cpu = format!("{:.2} µs in the serving process", micros_each(cpu, members));
    table.row(&row);
    let what = format!("import of {} members, PostgreSQL", grouped(members as f64));
    let Some(server) = Database::start() else {
        table.skip(&what, "no PostgreSQL on this machine");
        return Ok(());
    };
    let (database, section) = server.section()?;
    let site = Site::with(options, sink.address, options.connections, &section)?;
    site.create_list()?;
    let before = server.cpu()?;
    let (took, kib) = site.import(members)?;
    let mut row = import("PostgreSQL", members, took, kib, POSTGRES);
    row.cpu = format!("{:.2} µs in the server", micros_each(server.cpu()?.saturating_sub(before), members));
    table.row(&row);
    let store = PostgresStore::open(&database, Cascade::default())?;
    table.row(&look_up("PostgreSQL", &store, &list, members)?);
    Ok(())
}

fn import(what: &str, members: usize, took: Duration, peak_kib: u64, target: f64) -> Row {
    let rate = per_second(members, took);
    Row {
        work: format!("import of {} members, {what}", grouped(members as f64)),
        ours: format!("{}/s", grouped(rate)),
        target: format!("≥ {}/s", grouped(target)),
        peak: Some(megabytes(peak_kib)),
        met: Some(rate >= target),
        ..Row::default()
    }
}

fn look_up(what: &str, store: &dyn StoreView, list: &ListAddress, members: usize) -> Result<Row, Failure> {
    let mut times = Vec::with_capacity(LOOKUPS);
    for number in 0..LOOKUPS {
        // All over the roster, in no order: 7,919 is prime, and so comes to the same one only where it divides the number of members.
        let who = member(number * 7_919 % members).parse()?;
        let begun = Instant::now();
        let found = store.member(list, &who)?;
        times.push(begun.elapsed());
        found.ok_or("a member who was imported is not there")?;
    }
    times.sort_unstable();
    let (median, most) = (times[LOOKUPS / 2], times[LOOKUPS * 99 / 100]);
    Ok(Row {
        work: format!("look-up of one of {} members, {what}", grouped(members as f64)),
        ours: format!("{} µs, 99 of 100 below {} µs", median.as_micros(), most.as_micros()),
        target: format!("≤ {} ms", LOOKUP.as_millis()),
        met: Some(most <= LOOKUP),
        ..Row::default()
    })
}
