//! Rows: one post to a long list, each copy with a return path of its own; into a sink that answers at once, and into a slow one.

use std::time::Duration;

use crate::Failure;
use crate::options::Options;
use crate::row::{Row, Table, grouped, megabytes};
use crate::scenario::{Limit, Run, distribution, limit};

/// Of what the sink takes from a trivial sender that pipelines.
const RATIO: f64 = 0.9;
/// CPU of a delivery, in microseconds.
const MICROS: f64 = 20.0;
/// Until the first copy.
const FIRST: Duration = Duration::from_millis(50);
/// How late a slow relay answers, and on how many connections.
const SLOW: (Duration, usize) = (Duration::from_millis(5), 50);
/// So many copies go into the slow one.
const SLOW_COPIES: usize = 20_000;

/// Prints them: for each size of list, at full speed.
pub(crate) fn rows(options: &Options, table: &mut Table) -> Result<(), Failure> {
    for members in &options.members {
        let run = distribution(options, options.connections, Duration::ZERO, 1, *members)?;
        let limit = limit(&run, Duration::ZERO)?;
        let work = format!("one post to {} members, VERP, sink", grouped(*members as f64));
        let met = run.rate() >= RATIO * limit.pipelined && run.micros() <= MICROS;
        let target = format!("≥ {RATIO} of the pipelined limit, ≤ {MICROS} µs");
        table.row(&row(&run, &limit, work, target, met));
        table.row(&Row {
            work: format!("the same: first copy of {}", grouped(*members as f64)),
            ours: format!("{:.0} ms", run.first.as_secs_f64() * 1e3),
            target: format!("≤ {} ms", FIRST.as_millis()),
            met: Some(run.first <= FIRST),
            ..Row::default()
        });
    }
    Ok(())
}

/// Prints that of a relay that takes its time at the end of DATA.
pub(crate) fn slow(options: &Options, table: &mut Table) -> Result<(), Failure> {
    let (delay, connections) = SLOW;
    let run = distribution(options, connections, delay, 1, SLOW_COPIES)?;
    // The limit is that of all the connections that it may have.
    let limit = limit(&Run { connections, ..run }, delay)?;
    let work = format!(
        "one post to {} members, {} ms at the end of DATA, {connections} connections",
        grouped(SLOW_COPIES as f64),
        delay.as_millis()
    );
    let met = run.rate() >= RATIO * limit.pipelined;
    table.row(&row(&run, &limit, work, format!("≥ {RATIO} of the limit on {connections}"), met));
    Ok(())
}

fn row(run: &Run, limit: &Limit, work: String, target: String, met: bool) -> Row {
    Row {
        work,
        ours: format!("{}/s on {}", grouped(run.rate()), run.connections),
        limit: format!("{}/s pipelined, {}/s riding", grouped(limit.pipelined), grouped(limit.riding)),
        ratio: Some(run.rate() / limit.pipelined),
        target,
        cpu: format!("{:.1} µs", run.micros()),
        peak: Some(megabytes(run.peak_kib)),
        met: Some(met),
    }
}
