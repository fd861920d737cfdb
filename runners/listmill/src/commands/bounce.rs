//! `listmill bounce`: what a message at a bounce address is, whom it blames, and what would follow from it here.
//!
//! What the message says needs no site. With one, the stages are asked as for [`super::explain`]: nothing is written anywhere.

use std::io::{self, Read};
use std::path::Path;

use listmill_core::{Address, Resolved, Timestamp, Word, resolve};
use listmill_mail::bounce::{Failure as Failed, Report, read};
use listmill_mail::message::Message;
use listmill_mail::verp::{self, VerpClaim};
use serde::Serialize;

use super::explain::{self, Step};
use super::inject::crlf;
use crate::cli::Bounce;
use crate::failure::{Failure, Outcome};
use crate::office::Office;
use crate::output;

/// Fields that say to which address a message came, the surest first.
const ARRIVED_AT: [&str; 6] = ["Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "To", "Cc"];

/// The name of standard input.
const STDIN: &str = "-";

/// One file, as `--json` shows it.
#[derive(Serialize)]
struct Explained {
    file: String,
    kind: &'static str,
    form: &'static str,
    recipients: Vec<Recipient>,
    #[serde(flatten)]
    here: Option<Here>,
}

#[derive(Serialize)]
struct Recipient {
    address: String,
    status: Option<String>,
    cause: &'static str,
    scores: bool,
}

/// What follows on this site.
#[derive(Serialize)]
struct Here {
    /// The address of a list that it came to; none where none is known.
    to: Option<String>,
    concerns: Option<Concerned>,
    steps: Vec<Step>,
}

/// Whom our signed return path names.
#[derive(Serialize)]
struct Concerned {
    list: String,
    member: String,
    /// Only the post is proved: whoever has a copy of it can name any member.
    shared: bool,
    /// The post as its tally is named; none for a probe.
    post: Option<String>,
    days: u16,
}

pub(crate) fn run(command: Bounce, office: Option<&Office>) -> Outcome {
    let Bounce::Explain { files, to, json } = command;
    if to.is_some() && office.is_none() {
        return Err(Failure::usage("an address of a list means nothing without a site file"));
    }
    for file in &files {
        let message = message(file)?;
        let report = read(&Message::parse(&message));
        let here = office.map(|office| here(office, to.as_ref(), &message)).transpose()?;
        if json { line_of_json(file, &report, here)? } else { tell(file, &report, here.as_ref())? }
    }
    Ok(())
}

/// The message, its lines ended as the intake has them.
fn message(file: &Path) -> Outcome<Vec<u8>> {
    let read = if file == Path::new(STDIN) {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(file)
    };
    let message = read.map_err(|error| Failure::io(format!("read {}", file.display()), &error))?;
    let message = crlf(message);
    match listmill_mail::limits::excess(&message) {
        Some(why) => Err(Failure::data(format!("{} would not be taken in: {why}", file.display()))),
        None => Ok(message),
    }
}

/// What the stages of this site decide about it.
fn here(office: &Office, to: Option<&Address>, message: &[u8]) -> Outcome<Here> {
    let arrived = match to {
        Some(to) => resolve(&*office.store, to)?.map(|resolved| (to.clone(), resolved)),
        None => arrived_at(office, message)?,
    };
    let Some((to, resolved)) = arrived else { return Ok(Here { to: None, concerns: None, steps: Vec::new() }) };
    let claim = verp::read(&office.store.signing_keys()?, &resolved.list.address, &resolved.detail);
    let concerns = claim.map(|claim| concerned(&resolved, &claim));
    // RFC 5321 §4.5.5: a bounce has the null reverse-path.
    let steps = explain::steps(office, &to, Some(String::new()), message)?;
    Ok(Here { to: Some(to.to_string()), concerns, steps })
}

fn concerned(resolved: &Resolved, claim: &VerpClaim) -> Concerned {
    Concerned {
        list: resolved.list.address.to_string(),
        member: claim.recipient.to_string(),
        shared: claim.is_shared,
        post: (!claim.is_probe).then(|| claim.post_name()),
        days: claim.age_days(Timestamp::now()),
    }
}

/// The address of a list of this site that the header section names: one with a return path before the plain ones.
fn arrived_at(office: &Office, message: &[u8]) -> Outcome<Option<(Address, Resolved)>> {
    let message = Message::parse(message);
    let mut plain = None;
    for (_, address) in ARRIVED_AT.iter().flat_map(|name| message.addresses(name)) {
        let Ok(address) = address.parse::<Address>() else { continue };
        let found = resolve(&*office.store, &address)?;
        let ours = found.filter(|found| matches!(found.word, Some(Word::Bounces | Word::Fbl)));
        match ours {
            Some(found) if !found.detail.is_empty() => return Ok(Some((address, found))),
            Some(found) => plain = plain.or(Some((address, found))),
            None => {}
        }
    }
    Ok(plain)
}

/// One line a file, so that many files need no end.
fn line_of_json(file: &Path, report: &Report, here: Option<Here>) -> Outcome {
    let recipient = |failed: &Failed| Recipient {
        address: failed.address.clone(),
        status: failed.status.map(|status| status.to_string()),
        cause: failed.cause.name(),
        scores: failed.scores,
    };
    let explained = Explained {
        file: file.display().to_string(),
        kind: report.kind.name(),
        form: report.form,
        recipients: report.recipients.iter().map(recipient).collect(),
        here,
    };
    output::line(serde_json::to_string(&explained).map_err(Failure::data)?)
}

fn tell(file: &Path, report: &Report, here: Option<&Here>) -> Outcome {
    let name = output::printable(&file.display().to_string());
    output::line(format!("{name}: {}, recognised by {}", report.kind.name(), report.form))?;
    if let Some(feedback) = &report.feedback {
        output::line(output::printable(&format!("  complaint: {} ({})", feedback.kind, feedback.user_agent)))?;
    }
    if let Some(id) = report.original.as_ref().map(|original| original.message_id()).filter(|id| !id.is_empty()) {
        output::line(output::printable(&format!("  about: <{id}>")))?;
    }
    report
        .recipients
        .iter()
        .chain(&report.unnamed)
        .try_for_each(|failed| output::line(output::printable(&told(failed))))?;
    here.map_or(Ok(()), tell_here)
}

fn told(failed: &Failed) -> String {
    let address = if failed.address.is_empty() { "names nobody" } else { &failed.address };
    let status = failed.status.map(|status| format!(" {status}")).unwrap_or_default();
    let means = match (failed.delayed, failed.scores, failed.hard) {
        (true, ..) => "late, counts against nobody",
        (_, false, _) => "counts against nobody",
        (_, true, true) => "counts against the member",
        (_, true, false) => "counts against the member, but less",
    };
    let text = if failed.text.is_empty() { String::new() } else { format!(": {}", failed.text) };
    format!("  {address}{status} {}, {means}{text}", failed.cause)
}

fn tell_here(here: &Here) -> Outcome {
    let Some(to) = &here.to else {
        return output::line(
            "  to: no bounce address of a list of this site is in its fields; --to says which it came to",
        );
    };
    output::line(output::printable(&format!("  to: {to}")))?;
    output::line(match &here.concerns {
        None => "  concerns: nobody, the address is none that we have signed".to_owned(),
        Some(Concerned { list, member, shared, post, days }) => {
            let what = post.as_ref().map_or_else(|| "a probe".to_owned(), |post| format!("post {post}"));
            let doubt = if *shared { "; whoever has a copy of it can name any member" } else { "" };
            output::printable(&format!("  concerns: {member} on {list}, {what}, which left {days} days ago{doubt}"))
        }
    })?;
    explain::print(&here.steps)
}
