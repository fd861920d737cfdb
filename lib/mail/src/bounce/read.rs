//! The order in which a message is looked at.
//!
//! What says by the standards what it is goes first; then the forms of programs that have their own, and what no form fits
//! last. Only what is none of these is asked whether it is an automatic reply: about half of all bounces say that they are
//! (`Auto-Submitted: auto-replied`), and rightly.

use listmill_core::Cause;

use crate::automatic::automatic_reply;
use crate::message::Message;
use crate::mime::content_type;
use crate::subjects::is_automatic;

use super::address::{is_whole, typed};
use super::cause::{Verdict, classify, names_cause};
use super::delivery_status::{Action, Row};
use super::forms::{Named, near, said_at};
use super::general::Signs;
use super::letter::{Letter, original_of};
use super::lines::one_line;
use super::parts::{Part, parts as parts_of};
use super::report::{Failure, Kind, MAX_TEXT, Report};
use super::{StatusCode, complaint, delivery_status, feedback, forms, general, lines};

/// Says what `message` is, and whom it tells of.
///
/// Never fails, whatever arrives; takes time and memory in proportion to the first half mebibyte.
pub fn read(message: &Message<'_>) -> Report {
    let bytes = lines::unix(message.bytes());
    // Some programs begin with an empty line.
    let mut message = Message::parse(bytes.trim_ascii_start());
    let mut parts = parts_of(&message);
    if let Some(complaint) = complaint::read(&message, &parts) {
        let original = complaint.original.or_else(|| original_of(&parts));
        return Report { original, ..complaint };
    }
    // A bounce that somebody, or a gateway, forwarded without a word.
    if let Some(inner) = forwarded(&parts) {
        message = inner;
        parts = parts_of(&message);
    }
    if let Some(report) = plain_report(&parts) {
        return report;
    }
    let signs = Signs::of(&message, &parts);
    let structured = parts.iter().any(Part::is_structured);
    if !structured && (!signs.program() || is_automatic(&message.subject())) {
        return Report { original: original_of(&parts), ..no_bounce(&message) };
    }
    let letter = Letter::new(&message, &parts);
    let report = by_standard(&parts, &letter);
    let report = report.or_else(|| without_standard(&letter, signs)).unwrap_or_else(|| no_bounce(&message));
    Report { original: letter.original, ..report }
}

/// What a report says to programs, where that needs nothing of what the text for people says: it has words about each recipient, and what came
/// back is a part of its own. So most bounces are.
fn plain_report(parts: &[Part<'_>]) -> Option<Report> {
    if parts.iter().any(|part| part.kind == "message/feedback-report") {
        return None;
    }
    let rows = rows_of(parts);
    if rows.is_empty() || rows.iter().any(|row| row.text.is_empty()) {
        return None;
    }
    let original = original_of(parts)?;
    Some(Report { original: Some(original), ..of_rows(rows, "rfc3464", &[]) })
}

fn rows_of(parts: &[Part<'_>]) -> Vec<Row> {
    parts.iter().filter(|part| part.is_report()).flat_map(|part| delivery_status::rows(&part.text())).collect()
}

/// The message in front of which nothing is said, where it is the only part, or a report.
fn forwarded<'a>(parts: &[Part<'a>]) -> Option<Message<'a>> {
    let first = parts.first().filter(|part| part.kind == "message/rfc822")?;
    let body = first.content.body();
    let inner = Message::parse(body.trim_ascii_start());
    let report = content_type(&inner).is_some_and(|found| found.kind == "multipart/report");
    (parts.len() == 1 || report).then_some(inner)
}

/// Reports whose parts say what they are.
fn by_standard(parts: &[Part<'_>], letter: &Letter<'_>) -> Option<Report> {
    let of = |name: &'static str| parts.iter().find(move |part| part.is_structured() && part.kind.ends_with(name));
    if let Some(part) = of("feedback-report") {
        let feedback = Some(feedback::read(&part.text()));
        return Some(Report { feedback, ..Report::of(Kind::Feedback, "rfc5965") });
    }
    let rows = rows_of(parts);
    if !rows.is_empty() {
        return Some(of_rows(rows, "rfc3464", &letter.lines()));
    }
    let receipt = of("disposition-notification")?;
    Some(rejected(receipt, letter).unwrap_or_else(|| Report::of(Kind::AutoReply, "rfc8098")))
}

/// Dovecot tells in the form of a receipt that it rejects a message (RFC 8098, RFC 5429 §2.2): the receipt says that the
/// message was deleted, and the text for people that it was rejected.
fn rejected(receipt: &Part<'_>, letter: &Letter<'_>) -> Option<Report> {
    let text = receipt.text();
    let fields = Message::parse(text.trim_start().as_bytes());
    let automatic = letter.message.raw("Auto-Submitted").any(|value| value.contains("rejected"));
    let deleted = fields.raw("Disposition").any(|value| value.contains("deleted") || value.contains("denied"));
    let recipient = fields.raw("Original-Recipient").chain(fields.raw("Final-Recipient"));
    let address = recipient.filter_map(|value| typed(&value)).map(|typed| typed.address).next()?;
    let named = Named { address, behind: letter.text.clone(), before: String::new() };
    (automatic && deleted).then(|| of_named(Kind::Bounce, "rfc8098-rejected", vec![named], letter))
}

/// Forms of programs, and bounces in no form that is known.
fn without_standard(letter: &Letter<'_>, signs: Signs) -> Option<Report> {
    if !signs.program() || is_automatic(&letter.subject) {
        return None;
    }
    // The report for programs, as a text among others.
    let rows = delivery_status::rows(&letter.text);
    if rows.iter().any(|row| is_whole(&row.address)) {
        return Some(of_rows(rows, "rfc3464-text", &letter.lines()));
    }
    if let Some((form, named)) = forms::recognise(letter) {
        return Some(of_named(form.kind.into(), &form.name, named, letter));
    }
    let found = general::read(letter, signs)?;
    let kind = if found.delayed { Kind::Delayed } else { Kind::Bounce };
    Some(of_named(kind, "general", found.named, letter))
}

/// What is no bounce.
fn no_bounce(message: &Message<'_>) -> Report {
    let sender = message.raw("Return-Path").next().unwrap_or_else(|| "unknown".to_owned());
    if is_automatic(&message.subject()) || automatic_reply(message, &sender).is_some() {
        Report::of(Kind::AutoReply, "automatic")
    } else {
        Report::of(Kind::Other, "none")
    }
}

/// A failure outweighs a delay, a delay what succeeded.
fn of_rows(rows: Vec<Row>, form: &'static str, lines: &[&str]) -> Report {
    let has = |action: Action| rows.iter().any(|row| row.action == action);
    let kind = if has(Action::Failed) {
        Kind::Bounce
    } else if has(Action::Delayed) {
        Kind::Delayed
    } else {
        return Report::of(Kind::Other, form);
    };
    let mut report = Report::of(kind, form);
    let (failed, rest): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| row.action == Action::Failed);
    for row in failed.into_iter().chain(rest.into_iter().filter(|row| row.action == Action::Delayed)) {
        // Some programs say in the text for people alone what is wrong.
        let near = if row.text.is_empty() { near(lines, &row.address) } else { String::new() };
        let delayed = row.action == Action::Delayed;
        let Row { address, status, text, remote_mta, .. } = row;
        add(&mut report, Said { address, delayed, status, text, remote_mta }, &near);
    }
    report
}

fn of_named(kind: Kind, form: &'static str, named: Vec<Named>, letter: &Letter<'_>) -> Report {
    let mut report = Report::of(kind, form);
    if !matches!(kind, Kind::Bounce | Kind::Delayed) {
        return report;
    }
    for Named { address, behind, before } in named {
        add(&mut report, Said { delayed: kind == Kind::Delayed, ..Said::of(address, &behind) }, &before);
    }
    for failure in report.recipients.iter_mut().filter(|failure| failure.cause == Cause::Unknown) {
        elsewhere(failure, &letter.lines());
    }
    if let ([failure], Kind::Bounce) = (&mut report.recipients[..], kind)
        && failure.cause == Cause::Unknown
    {
        of_dialogue(failure, letter);
    }
    if report.recipients.is_empty() && kind == Kind::Bounce {
        let failure = Said::of(String::new(), &letter.text);
        add(&mut report, failure, "");
        report.unnamed = report.recipients.pop();
    }
    report
}

/// Some programs name an address for people first, and further down once more with what the host said.
fn elsewhere(failure: &mut Failure, lines: &[&str]) {
    let address = failure.address.to_lowercase();
    let there = (0..lines.len()).filter(|at| lines[*at].to_lowercase().contains(&address)).take(8);
    let said = there.map(|at| Said::of(String::new(), &said_at(lines, at)));
    let told = said.map(|said| (classify(said.status, 0, &said.text), said));
    if let Some((verdict, said)) = told.into_iter().find(|(verdict, _)| verdict.cause != Cause::Unknown) {
        blame(failure, verdict, said);
    }
}

/// Where one recipient is named, and nothing beside its address says why, some line of the dialogue may.
fn of_dialogue(failure: &mut Failure, letter: &Letter<'_>) {
    let replies = letter.text.lines().filter(|line| is_reply(line));
    let said = replies.map(|line| Said::of(String::new(), line));
    let told = said.map(|said| (classify(said.status, 0, &said.text), said));
    if let Some((verdict, said)) = told.into_iter().find(|(verdict, _)| verdict.cause != Cause::Unknown) {
        blame(failure, verdict, said);
    }
}

fn blame(failure: &mut Failure, verdict: Verdict, said: Said) {
    failure.cause = verdict.cause;
    failure.hard = verdict.hard && !failure.delayed;
    failure.scores = verdict.cause.is_the_recipients() && !failure.delayed;
    failure.status = failure.status.or(said.status);
    failure.text = said.text;
}

/// The line begins with a reply code of a failure, as transcripts have it: `<<< 550 no such user`.
fn is_reply(line: &str) -> bool {
    let line = line.trim_start_matches(|c: char| c.is_whitespace() || "<>|*-".contains(c));
    let (code, rest) = line.split_at_checked(3).unwrap_or_default();
    code.parse::<u16>().is_ok_and(|code| (400..=599).contains(&code)) && rest.starts_with([' ', '-'])
}

/// What is said of one recipient.
struct Said {
    address: String,
    delayed: bool,
    status: Option<StatusCode>,
    text: String,
    remote_mta: Option<String>,
}

impl Said {
    fn of(address: String, text: &str) -> Self {
        let status = StatusCode::find(text).filter(|code| code.class != 2);
        Said { address, delayed: false, status, text: one_line(text, MAX_TEXT), remote_mta: None }
    }
}

/// Each recipient counts once. `near` is looked at where the rest tells no cause.
fn add(report: &mut Report, said: Said, near: &str) {
    if report.recipients.iter().any(|known| known.address.eq_ignore_ascii_case(&said.address)) {
        return;
    }
    let mut verdict = classify(said.status, 0, &said.text);
    if verdict.cause == Cause::Unknown && names_cause(near) {
        verdict = classify(said.status, 0, near);
    }
    report.recipients.push(Failure {
        address: said.address,
        status: said.status,
        cause: verdict.cause,
        scores: !said.delayed && verdict.cause.is_the_recipients(),
        delayed: said.delayed,
        hard: !said.delayed && verdict.hard,
        text: said.text,
        remote_mta: said.remote_mta,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Report {
        read(&Message::parse(text.as_bytes()))
    }

    fn shown(report: &Report) -> Vec<String> {
        let show = |failure: &Failure| {
            let status = failure.status.map(|status| status.to_string()).unwrap_or_default();
            format!("{} {status} {}", failure.address, failure.cause)
        };
        report.recipients.iter().map(show).collect()
    }

    fn report(of_type: &str, part: &str) -> String {
        format!(
            "From: postmaster@example.net\nAuto-Submitted: auto-replied\nSubject: x\nContent-Type: multipart/report; \
             report-type={of_type}; boundary=b\n\n--b\n\nwords for people\n--b\nContent-Type: message/{of_type}\n\n{part}\n\
             --b\nContent-Type: message/rfc822\n\nMessage-ID: <1@lists.example.org>\nList-Id: Dev <dev.lists.example.org>\n\
             Return-Path: <dev-bounces+bob=example.net.tag@lists.example.org>\n\nhello\n--b--\n"
        )
    }

    #[test]
    fn what_a_report_by_the_standard_says() {
        let part = "Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822; bob@example.net\nAction: failed\nStatus: 5.1.1\n\n\
            Final-Recipient: rfc822; BOB@example.net\nAction: failed\nStatus: 5.2.2\n\n\
            Final-Recipient: rfc822; carol@example.net\nAction: delayed\nStatus: 4.2.2\n\n\
            Final-Recipient: rfc822; dave@example.net\nAction: expanded\nStatus: 2.0.0\n";
        let found = of(&report("delivery-status", part));
        assert_eq!((found.kind, found.form), (Kind::Bounce, "rfc3464"), "whatever Auto-Submitted says");
        assert_eq!(shown(&found), ["bob@example.net 5.1.1 gone", "carol@example.net 4.2.2 full"], "each once");
        assert!(found.recipients[0].scores && found.recipients[0].hard);
        assert!(!found.recipients[1].scores && found.recipients[1].delayed, "what is late counts against nobody");
        let original = found.original.unwrap();
        assert_eq!(original.message_id(), "1@lists.example.org");
        assert_eq!(original.list_id().as_deref(), Some("dev.lists.example.org"));
        assert_eq!(original.return_path().as_deref(), Some("dev-bounces+bob=example.net.tag@lists.example.org"));
    }

    #[test]
    fn what_is_no_failure() {
        let delivered = "Final-Recipient: rfc822; bob@example.net\nAction: delivered\nStatus: 2.0.0\n";
        let delayed = "Final-Recipient: rfc822; bob@example.net\nAction: delayed\nStatus: 5.1.1\n";
        let read = "Final-Recipient: rfc822; bob@example.net\nDisposition: manual-action/MDN-sent-manually; deleted\n";
        for (message, kind) in [
            (report("delivery-status", delivered), Kind::Other),
            (report("delivery-status", delayed), Kind::Delayed),
            (report("disposition-notification", read), Kind::AutoReply),
            (report("feedback-report", "Feedback-Type: abuse\n"), Kind::Feedback),
            (
                "Return-Path: <>\nFrom: Bob <bob@example.net>\nSubject: Out of office: release\nAuto-Submitted: auto-replied\n\n\
                 I no longer work here. bob@example.net does not exist any more; please write to carol@example.net.\n"
                    .to_owned(),
                Kind::AutoReply,
            ),
            (
                "From: Bob <bob@example.net>\nSubject: Re: Undelivered Mail Returned to Sender\nIn-Reply-To: <1@example.org>\n\n\
                 This is what I got:\n\n<carol@example.net>: host mx said: 550 5.1.1 User unknown\n"
                    .to_owned(),
                Kind::Other,
            ),
            (
                "From: Bob <bob@example.net>\nSubject: qmail\n\nHi. This is the qmail-send program at example.com.\n\n\
                 <carol@example.net>:\nno mailbox here by that name\n"
                    .to_owned(),
                Kind::Other,
            ),
            (String::new(), Kind::Other),
        ] {
            let found = of(&message);
            assert_eq!(found.kind, kind, "{message}");
            assert!(!found.recipients.iter().any(|failure| failure.scores), "{message}");
        }
    }

    #[test]
    fn a_feedback_report_shows_our_ids() {
        let part = "Feedback-Type: abuse\nOriginal-Rcpt-To: <redacted@example.net>\n";
        let found = of(&report("feedback-report", part));
        assert_eq!(found.feedback.unwrap().kind, "abuse");
        assert!(found.recipients.is_empty(), "an address in it is nobody's");
        assert_eq!(found.original.unwrap().list_id().as_deref(), Some("dev.lists.example.org"));
    }

    #[test]
    fn a_bounce_that_names_nobody_says_why() {
        let text = "Return-Path: <>\nFrom: MAILER-DAEMON@example.net\nSubject: failure notice\n\nMailbox full. Not delivered.\n";
        let found = of(text);
        assert!(found.kind == Kind::Bounce && found.recipients.is_empty());
        assert_eq!(found.unnamed.unwrap().cause, Cause::Full);
    }

    #[test]
    fn bombs_are_read_in_bounded_time() {
        let head = "Return-Path: <>\nFrom: MAILER-DAEMON@example.net\nSubject: failure notice\n\n";
        for piece in [
            "<a@example.net>:\n",
            "a@",
            "550 ",
            "> ",
            "\n",
            "could not be delivered to ",
            "Final-Recipient: x\n",
            "\u{e4}",
        ] {
            let _ = of(&format!("{head}{}", piece.repeat(60_000 / piece.len())));
        }
    }
}
