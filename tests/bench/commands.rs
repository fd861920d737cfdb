//! Commands by mail: so many people ask to join, each gets a confirmation and answers it, and each gets a welcome.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use crate::Failure;
use crate::client::{LIST, hand_in_mails};
use crate::options::Options;
use crate::program::Site;
use crate::sink::{Sink, member};

/// How long no letter may arrive before something must be wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// mlmmj 1.3.0 with the same 1,000 requests and confirmations on 10 sessions, on a machine of this kind (2 cores, ext4), on 22 November
/// 2026: median of 3 runs.
const PEER: Rates = Rates { requests: 119.5, confirmations: 118.5, all: 119.0, cpu_ms: 6.41, mebibytes: 35.7 };

/// What the table says of a program.
struct Rates {
    requests: f64,
    confirmations: f64,
    all: f64,
    cpu_ms: f64,
    mebibytes: f64,
}

impl fmt::Display for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rates { requests, confirmations, all, cpu_ms, mebibytes } = self;
        write!(f, "{requests:.0} | {confirmations:.0} | {all:.0} | {cpu_ms:.2} | {mebibytes:.1} MiB |")
    }
}

/// The table: ours, the peer's, and how often the one goes into the other.
pub(crate) fn table(options: &Options) -> Result<String, Failure> {
    let ours = joins(options, options.commands)?;
    Ok(format!(
        "| {} joins and their confirmations | requests/s | confirmations/s | commands/s | CPU ms per command | peak memory |\n\
         | --- | --- | --- | --- | --- | --- |\n| listmill | {ours}\n| mlmmj 1.3.0, as measured before | {PEER}\n\
         | ours beside it | {:.1} times | {:.1} times | {:.1} times | 1/{:.1} | |",
        options.commands,
        ours.requests / PEER.requests,
        ours.confirmations / PEER.confirmations,
        ours.all / PEER.all,
        PEER.cpu_ms / ours.cpu_ms,
    ))
}

/// From the first command to the last confirmation, and from the first answer to the last welcome.
fn joins(options: &Options, people: usize) -> Result<Rates, Failure> {
    let sink = Sink::start()?;
    let site = Site::new(options, sink.address)?;
    site.create_list()?;
    let serving = site.serve()?;
    let cpu = serving.cpu()?;
    let join = LIST.replace('@', "-join@");
    let requests: Vec<_> = (0..people).map(|number| mail(number, &join, "")).collect();
    let asking = hand_in_and_wait(&sink, serving.lmtp, &requests, people, options.connections);
    let asking = asking.map_err(|failure| format!("{failure}\n{}", serving.queues()))?;
    let confirmations = confirmations(&sink, people)?;
    let answers: Vec<_> = confirmations
        .iter()
        .enumerate()
        .map(|(number, to)| mail(number, to, "In-Reply-To: <x@lists.example.org>\r\n"))
        .collect();
    let answering = hand_in_and_wait(&sink, serving.lmtp, &answers, 2 * people, options.connections);
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
        mebibytes: peak_kib as f64 / 1024.0,
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
