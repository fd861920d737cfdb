//! Bounces: one post to so many members, and then each copy comes back to its signed return path; and once more on the same day.
//!
//! The list has one member more, whose copy arrives: so neither brake is ever reached, and yet each bounce looks at both.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use listmill_core::{ListAddress, StoreView as _};
use listmill_store::control::RemoteStore;

use crate::Failure;
use crate::client::{LIST, hand_in, hand_in_mails};
use crate::options::Options;
use crate::program::{Serving, Site};
use crate::row::{Row, Table, grouped, megabytes};
use crate::sink::Sink;
use crate::tally::member;

/// How long nothing may be decided before something must be wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often it is asked how far it is. A rarer question would be seen in the rate, a more frequent one in the CPU.
const PAUSE: Duration = Duration::from_millis(5);

/// First bounces of a day, in a second.
const RATE: f64 = 4_600.0;

/// What one bounce of each member took.
struct Round {
    rate: f64,
    cpu_ms: f64,
    peak_kib: u64,
}

/// Prints a row for the first bounce of a day and one for the second.
pub(crate) fn rows(options: &Options, table: &mut Table) -> Result<(), Failure> {
    let members = options.bounces;
    let sink = Sink::start()?;
    let site = Site::new(options, sink.address, options.connections)?;
    site.create_list()?;
    // A post to all of whom but one bounce is not the post's fault here, and no owner is to be written to.
    site.ask(&["list", "set", LIST, "bounce_brake_post=100", "bounce_brake_relay=100"])?;
    site.import(members + 1)?;
    let serving = site.serve()?;
    let paths = return_paths(options, &sink, &serving)?;
    let told = |failure: Failure| format!("{failure}\n{}", serving.queues());
    let store = serving.store()?;
    for (number, what) in [(1, "the first of a day"), (2, "the second of that day")] {
        let round = round(options, &serving, &store, &paths, number).map_err(told)?;
        table.row(&Row {
            work: format!("bounces: one of each of {} members, {what}", grouped(members as f64)),
            ours: format!("{}/s", grouped(round.rate)),
            target: format!("≥ {}/s", grouped(RATE)),
            cpu: format!("{:.2} ms", round.cpu_ms),
            peak: Some(megabytes(round.peak_kib)),
            met: Some(round.rate >= RATE),
            ..Row::default()
        });
    }
    serving.check_queues()?;
    serving.stop()?;
    let letters = sink.tally().letters.len();
    if letters > 0 {
        return Err(format!("{letters} letters have left, and nothing had happened that anybody is told of").into());
    }
    Ok(())
}

/// Where the copies of one post come back to, by member, in order.
fn return_paths(options: &Options, sink: &Sink, serving: &Serving<'_>) -> Result<Vec<String>, Failure> {
    let members = options.bounces;
    sink.tally().paths = Some(HashMap::new());
    hand_in(serving.lmtp, 1, options.size, 1)?;
    let arrived = sink.wait_for(members + 1, PATIENCE);
    let mut tally = sink.tally();
    tally.check(1, members + 1)?;
    let mut paths = tally.paths.take().unwrap_or_default();
    drop(tally);
    let paths: Vec<_> = (0..members).filter_map(|number| paths.remove(&number)).collect();
    if !arrived || paths.len() != members {
        return Err(format!("{} return paths of {members} copies are known", paths.len()).into());
    }
    Ok(paths)
}

/// One bounce of each member, from the first LMTP command until the queue is empty; fails unless each has exactly the one event.
fn round(
    options: &Options,
    serving: &Serving<'_>,
    store: &RemoteStore,
    paths: &[String],
    number: usize,
) -> Result<Round, Failure> {
    let mails: Vec<_> = paths.iter().enumerate().map(|(who, path)| bounce(who, path, number)).collect();
    let (before, cpu, begun) = (decided(store)?, serving.cpu()?, Instant::now());
    hand_in_mails(serving.lmtp, &mails, options.clients)?;
    let took = wait_until_empty(serving, store, before + paths.len() as u64, begun)?;
    let (cpu, peak_kib) = (serving.cpu()?.saturating_sub(cpu), serving.peak_kib()?);
    serving.check_queues()?;
    let list: ListAddress = LIST.parse()?;
    for who in 0..paths.len() {
        let record = store.bounces(&list, &member(who).parse()?)?;
        let events = record.map_or(0, |record| record.events.len());
        if events != 1 {
            return Err(
                format!("{} has bounced {number} times on a day, and {events} events are noted", member(who)).into()
            );
        }
    }
    let count = paths.len() as f64;
    Ok(Round { rate: count / took.as_secs_f64().max(1e-9), cpu_ms: cpu.as_secs_f64() * 1e3 / count, peak_kib })
}

/// Waits until so many entries are decided and none waits; how long after `begun` that was.
fn wait_until_empty(
    serving: &Serving<'_>,
    store: &RemoteStore,
    wanted: u64,
    begun: Instant,
) -> Result<Duration, Failure> {
    let mut last = (0, Instant::now());
    loop {
        let decided = decided(store)?;
        let took = begun.elapsed();
        // The clock's entries are decided too: enough are not yet all.
        if decided >= wanted && serving.depth("bounce")? == 0 {
            return Ok(took);
        }
        if decided > last.0 {
            last = (decided, Instant::now());
        } else if last.1.elapsed() > PATIENCE {
            return Err(format!("{decided} bounces of {wanted} are decided").into());
        }
        std::thread::park_timeout(PAUSE);
    }
}

/// How many entries the runner has decided.
fn decided(store: &RemoteStore) -> Result<u64, Failure> {
    Ok(store.status()?["runners"]["bounce"]["decided"].as_u64().unwrap_or_default())
}

/// What a mail server reports (RFC 3464): sender, recipient and message.
fn bounce(who: usize, path: &str, round: usize) -> (String, String, Vec<u8>) {
    let recipient = member(who);
    let message = format!(
        "From: Mail Delivery System <MAILER-DAEMON@mx.example.com>\r\nTo: <{path}>\r\nSubject: Undelivered Mail Returned to Sender\r\n\
         Date: Sun, 22 Nov 2026 08:00:00 +0000\r\nMessage-ID: <{who}-{round}@mx.example.com>\r\nAuto-Submitted: auto-replied\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=\"{who}/mx\"\r\n\r\n\
         This is a MIME-encapsulated message.\r\n\r\n--{who}/mx\r\nContent-Description: Notification\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n\
         This is the mail system at host mx.example.com.\r\n\r\nYour message could not be delivered to one or more recipients.\r\n\r\n\
         <{recipient}>: host mx.example.net[192.0.2.1] said: 550 5.1.1\r\n    <{recipient}>: Recipient address rejected (in reply to RCPT TO command)\r\n\r\n\
         --{who}/mx\r\nContent-Description: Delivery report\r\nContent-Type: message/delivery-status\r\n\r\n\
         Reporting-MTA: dns; mx.example.com\r\nArrival-Date: Sun, 22 Nov 2026 08:00:00 +0000\r\n\r\n\
         Final-Recipient: rfc822; {recipient}\r\nOriginal-Recipient: rfc822;{recipient}\r\nAction: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns; mx.example.net\r\n\
         Diagnostic-Code: smtp; 550 5.1.1 <{recipient}>: Recipient address rejected\r\n\r\n\
         --{who}/mx\r\nContent-Description: Undelivered Message Headers\r\nContent-Type: text/rfc822-headers\r\n\r\n\
         Return-Path: <{path}>\r\nFrom: Alice <alice@example.net>\r\nTo: {LIST}\r\nSubject: post 0\r\nMessage-ID: <bench-0@example.net>\r\n\r\n--{who}/mx--\r\n"
    );
    (String::new(), path.to_owned(), message.into_bytes())
}
