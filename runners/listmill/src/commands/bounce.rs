//! `listmill bounce`: what a message at a bounce address is, and whom it blames.

use std::path::Path;

use listmill_mail::bounce::{Failure as Failed, Report, read};
use listmill_mail::message::Message;
use serde::Serialize;

use crate::cli::Bounce;
use crate::failure::{Failure, Outcome};
use crate::output;

/// One file, as `--json` shows it.
#[derive(Serialize)]
struct Explained {
    file: String,
    kind: &'static str,
    recipients: Vec<Recipient>,
}

#[derive(Serialize)]
struct Recipient {
    address: String,
    status: Option<String>,
    cause: &'static str,
    scores: bool,
}

pub(crate) fn run(command: Bounce) -> Outcome {
    let Bounce::Explain { files, json } = command;
    for file in &files {
        let report = report(file)?;
        if json { line_of_json(file, &report)? } else { tell(file, &report)? }
    }
    Ok(())
}

fn report(file: &Path) -> Outcome<Report> {
    let message = std::fs::read(file).map_err(|error| Failure::io(format!("read {}", file.display()), &error))?;
    if let Some(why) = listmill_mail::limits::excess(&message) {
        return Err(Failure::data(format!("{} would not be taken in: {why}", file.display())));
    }
    Ok(read(&Message::parse(&message)))
}

/// One line a file, so that many files need no end.
fn line_of_json(file: &Path, report: &Report) -> Outcome {
    let recipient = |failed: &Failed| Recipient {
        address: failed.address.clone(),
        status: failed.status.map(|status| status.to_string()),
        cause: failed.cause.name(),
        scores: failed.scores,
    };
    let explained = Explained {
        file: file.display().to_string(),
        kind: report.kind.name(),
        recipients: report.recipients.iter().map(recipient).collect(),
    };
    output::line(serde_json::to_string(&explained).map_err(Failure::data)?)
}

fn tell(file: &Path, report: &Report) -> Outcome {
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
        .try_for_each(|failed| output::line(output::printable(&told(failed))))
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
