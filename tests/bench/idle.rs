//! Rows: how soon it is ready, and what it takes while nothing happens.

use std::time::{Duration, Instant};

use crate::Failure;
use crate::options::Options;
use crate::program::Site;
use crate::row::{Row, Table, grouped, megabytes};
use crate::sink::Sink;

/// Members of the one list.
const MEMBERS: usize = 10_000;
/// How often it is started: the median counts.
const STARTS: usize = 5;
/// How long nothing happens, after it has settled for so long.
const SETTLE: Duration = Duration::from_secs(3);
const IDLE: Duration = Duration::from_secs(20);
/// Until it is ready; resident memory in MB; CPU in milliseconds for each second.
const READY: Duration = Duration::from_millis(300);
const RESIDENT: f64 = 30.0;
const CPU: f64 = 1.0;

/// Prints them.
pub(crate) fn rows(options: &Options, table: &mut Table) -> Result<(), Failure> {
    let sink = Sink::start()?;
    let site = Site::new(options, sink.address, options.connections)?;
    site.create_list()?;
    site.import(MEMBERS)?;
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        let begun = Instant::now();
        let serving = site.serve()?;
        starts.push(serving.ready - begun);
        serving.stop()?;
    }
    starts.sort_unstable();
    let median = starts[STARTS / 2];
    table.row(&Row {
        work: format!("cold start, a list of {} members", grouped(MEMBERS as f64)),
        ours: format!("ready after {:.0} ms", median.as_secs_f64() * 1e3),
        target: format!("≤ {} ms", READY.as_millis()),
        met: Some(median <= READY),
        ..Row::default()
    });
    let serving = site.serve()?;
    pass(SETTLE);
    let (cpu, begun) = (serving.cpu_exact()?, Instant::now());
    pass(IDLE);
    let each = (serving.cpu_exact()?.saturating_sub(cpu)).as_secs_f64() * 1e3 / begun.elapsed().as_secs_f64();
    let (resident, peak) = (megabytes(serving.resident_kib()?), megabytes(serving.peak_kib()?));
    serving.stop()?;
    table.row(&Row {
        work: format!("idle, {} s", IDLE.as_secs()),
        ours: format!("{resident:.1} MB resident"),
        target: format!("≤ {RESIDENT} MB, ≤ {CPU} ms CPU a second"),
        cpu: format!("{each:.2} ms a second"),
        peak: Some(peak),
        met: Some(resident <= RESIDENT && each <= CPU),
        ..Row::default()
    });
    Ok(())
}

/// Lets so much time pass: here nothing is waited for but that.
fn pass(time: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < time {
        std::thread::park_timeout(time.saturating_sub(begun.elapsed()));
    }
}
