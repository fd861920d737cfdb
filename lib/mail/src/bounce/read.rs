//! The order in which a message is looked at.

use crate::automatic::automatic_reply;
use crate::message::Message;

use super::cause::classify;
use super::delivery_status::{Action, Row};
use super::parts::{Part, parts};
use super::report::{Failure, Kind, Original, Report};
use super::{delivery_status, feedback, lines};

/// Octets of the header section of a message that came back.
const MAX_HEADER: usize = 64 * 1024;

/// Says what `message` is, and whom it tells of.
///
/// Never fails, whatever arrives; takes time and memory in proportion to the first half mebibyte.
pub fn read(message: &Message<'_>) -> Report {
    let bytes = lines::unix(message.bytes());
    let message = Message::parse(&bytes);
    let parts = parts(&message);
    let mut report = by_standard(&parts).unwrap_or_else(|| without_standard(&message));
    report.original = original(&parts);
    report
}

/// Reports whose parts say what they are.
fn by_standard(parts: &[Part<'_>]) -> Option<Report> {
    let of = |kinds: &'static [&str]| parts.iter().filter(move |part| kinds.contains(&part.kind.as_str()));
    if let Some(part) = of(&["message/feedback-report"]).next() {
        let feedback = Some(feedback::read(&part.text()));
        return Some(Report { feedback, ..Report::of(Kind::Feedback, "rfc5965") });
    }
    let notices = of(&["message/delivery-status", "message/global-delivery-status"]);
    let rows: Vec<Row> = notices.flat_map(|part| delivery_status::rows(&part.text())).collect();
    if !rows.is_empty() {
        return Some(of_rows(rows, "rfc3464"));
    }
    of(&["message/disposition-notification", "message/global-disposition-notification"])
        .next()
        .map(|_| Report::of(Kind::AutoReply, "rfc8098"))
}

/// A failure outweighs a delay, a delay what succeeded.
fn of_rows(rows: Vec<Row>, form: &'static str) -> Report {
    let has = |action: Action| rows.iter().any(|row| row.action == action);
    let (kind, wanted) = if has(Action::Failed) {
        (Kind::Bounce, Action::Failed)
    } else if has(Action::Delayed) {
        (Kind::Delayed, Action::Delayed)
    } else {
        return Report::of(Kind::Other, form);
    };
    let mut report = Report::of(kind, form);
    for row in rows.into_iter().filter(|row| row.action == wanted) {
        add(&mut report, row);
    }
    report
}

/// Each recipient counts once.
fn add(report: &mut Report, row: Row) {
    if report.recipients.iter().any(|known| known.address.eq_ignore_ascii_case(&row.address)) {
        return;
    }
    let verdict = classify(row.status, 0, &row.text);
    let failed = report.kind == Kind::Bounce;
    report.recipients.push(Failure {
        address: row.address,
        status: row.status,
        cause: verdict.cause,
        scores: failed && verdict.cause.is_the_recipients(),
        hard: failed && verdict.hard,
        text: row.text,
        remote_mta: row.remote_mta,
    });
}

fn without_standard(message: &Message<'_>) -> Report {
    let sender = message.raw("Return-Path").next().unwrap_or_else(|| "unknown".to_owned());
    match automatic_reply(message, &sender) {
        Some(_) => Report::of(Kind::AutoReply, "automatic"),
        None => Report::of(Kind::Other, "none"),
    }
}

/// The header section of the message that came back.
fn original(parts: &[Part<'_>]) -> Option<Original> {
    let part = parts.iter().find(|part| part.is_original())?;
    let inner = Message::parse(part.content.body());
    let header = inner.header_section();
    (!header.is_empty()).then(|| Original { header: header[..header.len().min(MAX_HEADER)].to_vec() })
}
