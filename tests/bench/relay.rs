//! Rows: one post into a real Postfix, in a transaction for each copy, and with many recipients in one (XVERP).

use std::time::{Duration, Instant};

use crate::Failure;
use crate::client::{Trivial, hand_in};
use crate::options::Options;
use crate::postfix::Postfix;
use crate::program::Site;
use crate::row::{Row, Table, grouped, megabytes, micros_each, per_second};

/// Of what it takes from a trivial sender.
const RATIO: f64 = 0.9;
/// Octets that a copy has more than its post: what the list writes into it.
const FIELDS: usize = 1_000;
/// Recipients of a transaction of the trivial sender, with XVERP.
const TOGETHER: usize = 500;
/// With XVERP so many times as many copies, for it is so much faster.
const TIMES: usize = 10;
/// The list setting by which copies go out together.
const SHARED: &str = "copies=shared";
/// How long nothing may leave before something must be wrong.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(10);

/// Prints them.
pub(crate) fn rows(options: &Options, table: &mut Table) -> Result<(), Failure> {
    let separate =
        format!("one post to {} members, a real Postfix, separate transactions", grouped(options.postfix as f64));
    let together = format!("one post to {} members, a real Postfix, XVERP", grouped((options.postfix * TIMES) as f64));
    if let Some(lacking) = Postfix::lacking() {
        table.skip(&separate, lacking);
        table.skip(&together, lacking);
        return Ok(());
    }
    let postfix = Postfix::start(&options.dir)?;
    one(options, table, &postfix, separate, None)?;
    one(options, table, &postfix, together, Some(SHARED))
}

fn one(
    options: &Options,
    table: &mut Table,
    postfix: &Postfix,
    work: String,
    shared: Option<&str>,
) -> Result<(), Failure> {
    let (copies, together) = match shared {
        None => (options.postfix, 1),
        Some(_) => (options.postfix * TIMES, TOGETHER),
    };
    let site = Site::new(options, postfix.address, options.connections)?;
    site.create_list()?;
    if let Some(shared) = shared
        && let Err(error) = site.ask(&["list", "set", crate::client::LIST, shared])
    {
        table.skip(&work, &format!("lists have no such setting: {}", error.to_string().lines().next().unwrap_or("")));
        return Ok(());
    }
    site.import(copies)?;
    let serving = site.serve()?;
    let (cpu, begun) = (serving.cpu()?, Instant::now());
    hand_in(serving.lmtp, 1, options.size, 1)?;
    serving.wait_until_sent(copies, LOOK, PATIENCE)?;
    let took = begun.elapsed();
    let (cpu, peak) = (serving.cpu()?.saturating_sub(cpu), serving.peak_kib()?);
    serving.check_queues()?;
    serving.stop()?;
    postfix.settle()?;
    let (octets, connections) = (options.size + FIELDS, options.connections);
    let trivial = Trivial { copies, octets, connections, together, riding: true };
    let limit = per_second(copies, trivial.send(postfix.address)?);
    postfix.settle()?;
    let rate = per_second(copies, took);
    table.row(&Row {
        work,
        ours: format!("{}/s", grouped(rate)),
        limit: format!("{}/s, {together} a transaction, on {connections}", grouped(limit)),
        ratio: Some(rate / limit),
        target: format!("≥ {RATIO} of the limit"),
        cpu: format!("{:.1} µs", micros_each(cpu, copies)),
        peak: Some(megabytes(peak)),
        met: Some(rate >= RATIO * limit),
    });
    Ok(())
}
