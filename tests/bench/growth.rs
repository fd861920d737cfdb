//! Rows: what a delivery costs, and how much memory it takes, as the list grows.

use crate::Failure;
use crate::database::Database;
use crate::options::Options;
use crate::program::Site;
use crate::row::{Row, Table, grouped, megabytes};
use crate::scenario::{Run, deliver};
use crate::sink::Sink;

/// Of the shortest list's cost, the longest list's may be so much.
const CONSTANT: f64 = 1.2;
/// MB, with a million in sled, and with it in PostgreSQL.
const SLED: f64 = 130.0;
const POSTGRES: f64 = 60.0;
/// So many copies at least: CPU is counted in hundredths of a second.
const COPIES: usize = 20_000;

/// Prints them.
pub(crate) fn rows(options: &Options, table: &mut Table) -> Result<(), Failure> {
    backend(options, table, "sled", || Ok(String::new()), SLED)?;
    match Database::start() {
        Some(server) => backend(options, table, "PostgreSQL", || Ok(server.section()?.1), POSTGRES),
        None => {
            table.skip("growth, PostgreSQL", "no PostgreSQL on this machine");
            Ok(())
        }
    }
}

fn backend(
    options: &Options,
    table: &mut Table,
    name: &str,
    section: impl Fn() -> Result<String, Failure>,
    bound: f64,
) -> Result<(), Failure> {
    let mut shortest = None;
    let last = options.growth.last().copied();
    for members in options.growth.iter().copied() {
        let run = one(options, &section()?, members)?;
        let base = *shortest.get_or_insert(run.micros());
        let (ratio, peak) = (run.micros() / base, megabytes(run.peak_kib));
        table.row(&Row {
            work: format!("growth: {} members in {name}", grouped(members as f64)),
            ours: format!("{}/s, first copy after {:.0} ms", grouped(run.rate()), run.first.as_secs_f64() * 1e3),
            limit: format!("{base:.1} µs with {} members", grouped(options.growth[0] as f64)),
            ratio: Some(ratio),
            target: format!("≤ {CONSTANT} of that, ≤ {bound} MB"),
            cpu: format!("{:.1} µs", run.micros()),
            peak: Some(peak),
            met: (Some(members) == last).then_some(ratio <= CONSTANT && peak <= bound),
        });
    }
    Ok(())
}

fn one(options: &Options, section: &str, members: usize) -> Result<Run, Failure> {
    let sink = Sink::start()?;
    let site = Site::with(options, sink.address, options.connections, section)?;
    site.create_list()?;
    site.import(members)?;
    let serving = site.serve()?;
    let posts = COPIES.div_ceil(members);
    let run = deliver(options, &serving, &sink, posts, members, 1)?;
    serving.stop()?;
    sink.tally().check(posts, members)?;
    Ok(run)
}
