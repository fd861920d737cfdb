//! Commands by mail: so many people ask to join, each gets a confirmation and answers it, and each gets a welcome.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::Failure;
use crate::client::{LIST, hand_in_mails};
use crate::options::Options;
use crate::program::Site;
use crate::row::{Row, Table, grouped, megabytes};
use crate::sink::Sink;
use crate::tally::member;

/// How long no letter may arrive before something must be wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// Requests and confirmations a second.
const RATE: f64 = 1_200.0;

/// What all of it took.
struct Rates {
    requests: f64,
    confirmations: f64,
    all: f64,
    cpu_ms: f64,
    peak_kib: u64,
}

/// Prints the row.
pub(crate) fn rows(options: &Options, table: &mut Table) -> Result<(), Failure> {
    let Rates { requests, confirmations, all, cpu_ms, peak_kib } = joins(options, options.commands)?;
    table.row(&Row {
        work: format!("commands: {} join by mail and confirm", grouped(options.commands as f64)),
        ours: format!(
            "{} commands/s ({} requests/s, {} confirmations/s)",
            grouped(all),
            grouped(requests),
            grouped(confirmations)
        ),
        target: format!("≥ {}/s", grouped(RATE)),
        cpu: format!("{cpu_ms:.2} ms"),
        peak: Some(megabytes(peak_kib)),
        met: Some(all >= RATE),
        ..Row::default()
    });
    Ok(())
}

/// From the first command to the last confirmation, and from the first answer to the last welcome.
fn joins(options: &Options, people: usize) -> Result<Rates, Failure> {
    let sink = Sink::start()?;
    let site = Site::new(options, sink.address, options.connections)?;
    site.create_list()?;
    let serving = site.serve()?;
    let cpu = serving.cpu()?;
    let join = LIST.replace('@', "-join@");
    let requests: Vec<_> = (0..people).map(|number| mail(number, &join, "")).collect();
    let asking = hand_in_and_wait(&sink, serving.lmtp, &requests, people, options.clients);
    let asking = asking.map_err(|failure| format!("{failure}\n{}", serving.queues()))?;
    let confirmations = confirmations(&sink, people)?;
    let answers: Vec<_> = confirmations
        .iter()
        .enumerate()
        .map(|(number, to)| mail(number, to, "In-Reply-To: <x@lists.example.org>\r\n"))
        .collect();
    let answering = hand_in_and_wait(&sink, serving.lmtp, &answers, 2 * people, options.clients);
    let answering = answering.map_err(|failure| format!("{failure}\n{}", serving.queues()))?;
    let (cpu, peak_kib) = (serving.cpu()?.saturating_sub(cpu), serving.peak_kib()?);
    serving.check_queues()?;
    let members = site.members()?;
    // After a graceful stop nothing is in flight: what was doubled has arrived by now.
    serving.stop()?;
    let letters = sink.tally().letters.len();
    if members != people || letters != 2 * people {
        return Err(
            format!("{people} people have joined, and there are {members} members and {letters} letters").into()
        );
    }
    let rate = |count: usize, took: Duration| count as f64 / took.as_secs_f64().max(1e-9);
    Ok(Rates {
        requests: rate(people, asking),
        confirmations: rate(people, answering),
        all: rate(2 * people, asking + answering),
        cpu_ms: cpu.as_secs_f64() * 1e3 / (2 * people) as f64,
        peak_kib,
    })
}

/// Hands the mails in; how long it took until so many letters had left.
fn hand_in_and_wait(
    sink: &Sink,
    lmtp: std::net::SocketAddr,
    mails: &[(String, String, Vec<u8>)],
    letters: usize,
    connections: usize,
) -> Result<Duration, Failure> {
    let begun = Instant::now();
    hand_in_mails(lmtp, mails, connections)?;
    if !sink.wait_for_letters(letters, PATIENCE) {
        return Err(format!("{} letters of {letters} have arrived", sink.tally().letters.len()).into());
    }
    Ok(sink.tally().last.map_or(Duration::ZERO, |last| last - begun))
}

/// Sender, recipient and message of a mail without a word.
fn mail(number: usize, to: &str, field: &str) -> (String, String, Vec<u8>) {
    let from = member(number);
    let message = format!(
        "From: <{from}>\r\nTo: <{to}>\r\nSubject: x\r\nDate: Sun, 22 Nov 2026 08:00:00 +0000\r\nMessage-ID: <{number}@example.net>\r\n{field}\r\nx\r\n"
    );
    (from, to.to_owned(), message.into_bytes())
}

/// Where each person answers to, in order; fails unless each has exactly one letter.
fn confirmations(sink: &Sink, people: usize) -> Result<Vec<String>, Failure> {
    let tally = sink.tally();
    let of: HashMap<&str, &str> = tally.letters.iter().map(|(to, reply_to)| (to.as_str(), reply_to.as_str())).collect();
    let found = (0..people).filter_map(|number| of.get(member(number).as_str()).map(|to| (*to).to_owned()));
    let found: Vec<String> = found.filter(|to| to.contains("-confirm+")).collect();
    if found.len() == people && tally.letters.len() == people {
        Ok(found)
    } else {
        Err(format!("{} letters, {} confirmations for {people} people", tally.letters.len(), found.len()).into())
    }
}
