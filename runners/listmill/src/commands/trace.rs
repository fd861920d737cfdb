//! `listmill trace`: what became of a message on this host.

use std::collections::BTreeMap;

use listmill_queue_format::{Queue, Timestamp};
use listmill_runner::config::Site;
use listmill_runner::{Fate, State, Totals, Trace, TrailLine};
use serde_json::{Value, json};

use crate::cli::Json;
use crate::failure::{Failure, Outcome};
use crate::{office, output, placement};

pub(crate) fn run(site: &Site, wanted: &str, all: bool, recipient: Option<&str>, json: Json) -> Outcome {
    // The trail names people: it is for the user that the site belongs to.
    office::own(site)?;
    let here = placement::here(site)?;
    let trace = Trace::find(&site.trail(), wanted).map_err(|error| Failure::io("read the trail", &error))?;
    let elsewhere = elsewhere(site, here);
    if trace.lines.is_empty() {
        return Err(unknown(site, wanted, &elsewhere));
    }
    let mut fates = trace.fates();
    if let Some(address) = recipient {
        fates.retain(|fate| trace.is(fate, address));
        if fates.is_empty() {
            return Err(Failure::data(format!("nothing was said about {address} here")));
        }
    }
    if json.on {
        return output::json(&object(site, &trace, &fates, &elsewhere));
    }
    trace.lines.iter().try_for_each(|line| hop(site, line))?;
    let all = all || recipient.is_some();
    told(&fates.iter().filter(|fate| all || fate.state != State::Delivered).collect::<Vec<_>>())?;
    replies(&fates)?;
    output::line(sentence(trace.totals()))?;
    for (host, runners) in elsewhere {
        output::line(format!("what {} did is known to {host}: run this there as well", names(runners)))?;
    }
    Ok(())
}

/// The other hosts, and what each of them serves.
fn elsewhere<'a>(site: &'a Site, here: Option<&[Queue]>) -> BTreeMap<&'a str, &'a [Queue]> {
    let others = site.hosts.iter().filter(|(host, _)| here.is_some() && Some(*host) != site.placed.as_ref());
    others.map(|(host, runners)| (host.as_str(), runners.as_slice())).collect()
}

fn names(runners: &[Queue]) -> String {
    runners.iter().map(|runner| runner.name()).collect::<Vec<_>>().join(", ")
}

fn unknown(site: &Site, wanted: &str, elsewhere: &BTreeMap<&str, &[Queue]>) -> Failure {
    let hosts: Vec<_> = elsewhere.keys().copied().collect();
    let others =
        if hosts.is_empty() { String::new() } else { format!(", nor of what happened on {}", hosts.join(", ")) };
    if site.trail_keep.is_zero() {
        return Failure::data("this host keeps no trail: [trail] keep in the site file says so");
    }
    Failure::data(format!(
        "the trail in {} knows nothing of {wanted}: it knows what was handed in during the last {} days{others}",
        site.trail().display(),
        site.trail_keep.as_hours() / 24
    ))
}

fn object(site: &Site, trace: &Trace, fates: &[Fate], elsewhere: &BTreeMap<&str, &[Queue]>) -> Value {
    let hops = trace.lines.iter().flat_map(|line| {
        let steps = line.did.iter().map(move |step| {
            json!({
                "at": line.at, "host": site.host, "runner": line.runner, "entry": line.entry, "list": line.list,
                "disposition": step.did, "reason": step.why, "to": step.to, "left": step.entry,
                "recipients": step.recipients, "letter": step.letter,
            })
        });
        let delivery = (!line.said.is_empty()).then(|| {
            json!({
                "at": line.at, "host": site.host, "runner": line.runner, "entry": line.entry, "list": line.list,
                "disposition": "deliver", "reason": delivery(line), "recipients": line.said.len(),
            })
        });
        delivery.into_iter().chain(steps).collect::<Vec<_>>()
    });
    json!({
        "message_id": trace.lines.first().map(|line| &line.mid), "host": site.host, "hops": hops.collect::<Vec<_>>(),
        "recipients": fates, "totals": trace.totals(), "elsewhere": elsewhere,
    })
}

fn hop(site: &Site, line: &TrailLine) -> Outcome {
    let start = format!("{} {:<10} on {}", seconds(line.at), line.runner.name(), site.host);
    if !line.said.is_empty() {
        output::line(format!("{start}: {} ({})", delivery(line), line.entry))?;
    }
    line.did.iter().try_for_each(|step| {
        let to = step.to.map(|queue| format!(" to {queue}")).unwrap_or_default();
        let recipients = if step.recipients > 0 {
            format!(", {}", output::number(step.recipients, "recipient", "recipients"))
        } else {
            String::new()
        };
        let letter = step.letter.as_ref().map(|id| format!("; a letter of ours: <{id}>")).unwrap_or_default();
        let id = step.entry.unwrap_or(line.entry);
        output::line(output::printable(&format!("{start}: {}{to}: {}{recipients}{letter} ({id})", step.did, step.why)))
    })
}

/// One delivery in a line.
fn delivery(line: &TrailLine) -> String {
    let served = line.said.iter().filter(|said| said.1 / 100 == 2).count();
    format!("deliver: {served} of {} done, attempt {}", line.said.len(), line.attempts + 1)
}

/// What was said last about each of these.
fn told(fates: &[&Fate]) -> Outcome {
    let rows: Vec<_> = fates
        .iter()
        .map(|fate| {
            let reply = format!("{} {} {}", fate.code, fate.status, fate.text);
            vec![
                fate.recipient.clone(),
                word(fate.state).to_owned(),
                fate.attempts.to_string(),
                seconds(fate.at),
                reply,
            ]
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    output::line("")?;
    output::table(&["RECIPIENT", "STATE", "ATTEMPTS", "LAST", "REPLY"], &rows)
}

/// How many had which last reply; they add up to the recipients.
fn replies(fates: &[Fate]) -> Outcome {
    let mut counts: BTreeMap<(State, u16, &str), usize> = BTreeMap::new();
    for fate in fates {
        *counts.entry((fate.state, fate.code, &fate.status)).or_default() += 1;
    }
    if counts.is_empty() {
        return Ok(());
    }
    output::line("")?;
    let rows: Vec<_> = counts
        .into_iter()
        .map(|((state, code, status), count)| {
            vec![count.to_string(), word(state).to_owned(), output::printable(&format!("{code} {status}"))]
        })
        .collect();
    output::table(&["COUNT", "STATE", "LAST REPLY"], &rows)
}

fn sentence(totals: Totals) -> String {
    let Totals { handed_out, delivered, waiting, refused, given_up, not_attempted } = totals;
    let all = delivered + waiting + refused + given_up + not_attempted;
    let all = output::number(if handed_out == 0 { all } else { handed_out }, "recipient", "recipients");
    format!(
        "{all}: {delivered} delivered, {waiting} waiting, {refused} refused, {given_up} given up, {not_attempted} not attempted here"
    )
}

fn word(state: State) -> &'static str {
    match state {
        State::Delivered => "delivered",
        State::Waiting => "waiting",
        State::Refused => "refused",
        State::GivenUp => "given up",
    }
}

fn seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}
