//! Complaints in forms other than RFC 5965: X-ARF, which says in YAML or JSON what was reported, and the programme of Microsoft, which sends the message
//! back with a field of its own and no word.
//!
//! Each is read as a feedback report, so that it never counts as a failure. A report of spam by a person or a trap is of the kind `abuse`.

use data_encoding::BASE64;
use serde_json::Value;

use crate::message::Message;

use super::Feedback;
use super::letter::header_of;
use super::lines::one_line;
use super::parts::Part;
use super::report::{Kind, Original, Report};

/// Octets of a word that is kept.
const MAX_WORD: usize = 64;

/// The field that Microsoft puts into the message that comes back.
const MICROSOFT: &str = "X-HmXmrOriginalRecipient";

/// The complaint that `message` is, whose form is not RFC 5965.
pub(crate) fn read(message: &Message<'_>, parts: &[Part<'_>]) -> Option<Report> {
    in_json(parts).or_else(|| in_yaml(message, parts)).or_else(|| microsoft(message, parts))
}

fn report(form: &'static str, feedback: Feedback, original: Option<Original>) -> Report {
    Report { feedback: Some(feedback), original, ..Report::of(Kind::Feedback, form) }
}

/// X-ARF 3 and 4: an object that says which version it has.
fn in_json(parts: &[Part<'_>]) -> Option<Report> {
    let (part, value) = parts
        .iter()
        .filter(|part| part.kind.starts_with("application/") && part.kind.contains("json"))
        .find_map(|part| Some((part, serde_json::from_str::<Value>(&part.text()).ok()?)))?;
    let inner = value.get("Report").or_else(|| value.get("report")).unwrap_or(&value);
    let is_ours = value.get("xarf_version").is_some() || value.get("ReporterInfo").is_some() || part.is_named("xarf");
    let text = |names: &[&str]| {
        let value = names.iter().find_map(|name| inner.get(name).or_else(|| value.get(name))?.as_str());
        one_line(value.unwrap_or_default(), MAX_WORD)
    };
    let feedback = Feedback {
        kind: kind(&text(&["type", "ReportType"])),
        user_agent: text(&["reporter_org", "ReporterOrg", "generated_by"]),
        original_mail_from: inner.get("smtp_from").or_else(|| inner.get("SmtpMailFromAddress")).and_then(address),
        ..Feedback::default()
    };
    is_ours.then(|| report("x-arf", feedback, evidence(inner)))
}

fn address(value: &Value) -> Option<String> {
    super::address::bare(value.as_str()?)
}

/// The message among what is added as evidence.
fn evidence(report: &Value) -> Option<Original> {
    let samples = ["evidence", "Samples", "samples"].iter().find_map(|name| report.get(name)?.as_array())?;
    samples.iter().take(8).find_map(|sample| {
        let text = |names: [&str; 3]| names.iter().find_map(|name| sample.get(name)?.as_str());
        let of_message = text(["content_type", "ContentType", "contentType"])?.starts_with("message/rfc822");
        let payload = text(["payload", "Payload", "data"]).filter(|_| of_message)?;
        let is_plain = sample.get("Base64Encoded").and_then(Value::as_bool) == Some(false);
        let octets = if is_plain { payload.as_bytes().to_vec() } else { BASE64.decode(payload.as_bytes()).ok()? };
        header_of(&super::lines::unix(&octets))
    })
}

/// X-ARF 0.1 and 0.2: a field says so, and a text has lines `Name: value`.
fn in_yaml(message: &Message<'_>, parts: &[Part<'_>]) -> Option<Report> {
    if !message.has("X-ARF") && !message.has("X-XARF") {
        return None;
    }
    let texts = parts.iter().filter(|part| part.is_text()).map(|part| part.text().replace("\n---\n", "\n"));
    let fields = |text: &String| {
        let yaml = Message::parse(text.trim_start_matches("---").trim_start().as_bytes());
        let value = |name: &str| yaml.raw(name).next().map(|value| one_line(value.trim_matches('"'), MAX_WORD));
        Some((value("Report-Type")?, value("User-Agent").unwrap_or_default()))
    };
    let (said, user_agent) = texts.filter(|text| !text.trim().is_empty()).find_map(|text| fields(&text))?;
    Some(report("x-arf", Feedback { kind: kind(&said), user_agent, ..Feedback::default() }, None))
}

/// The Junk Mail Reporting Program of Microsoft.
fn microsoft(message: &Message<'_>, parts: &[Part<'_>]) -> Option<Report> {
    let original = parts.iter().find(|part| part.is_original()).and_then(|part| header_of(part.content.body()))?;
    let subject = message.subject().to_ascii_lowercase();
    let is_theirs = original.message().has(MICROSOFT) && subject.starts_with("complaint about message from");
    let feedback = Feedback { kind: "abuse".to_owned(), user_agent: "JMRP".to_owned(), ..Feedback::default() };
    is_theirs.then(|| report("jmrp", feedback, Some(original)))
}

/// X-ARF's word in that of RFC 5965.
fn kind(said: &str) -> String {
    let said = said.to_ascii_lowercase();
    match said.as_str() {
        "spam" | "spamtrap" | "abuse" | "unsolicited" => "abuse".to_owned(),
        "phishing" | "fraud" => "fraud".to_owned(),
        _ => said,
    }
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;

    fn message(fields: &str, part: &str) -> Report {
        let original = "From: carol@example.com\nTo: dev@example.org\nMessage-ID: <1@example.com>\n";
        let text = format!(
            "From: abuse@example.net\nTo: dev-fbl@example.org\n{fields}MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n\
             --b\nContent-Type: text/plain\n\nSpam was reported.\n--b\n{part}\n--b\nContent-Type: message/rfc822\n\n{original}\nx\n--b--\n"
        );
        read(&Message::parse(text.as_bytes()))
    }

    fn shown(report: &Report) -> (Kind, &str, &str, String) {
        let kind = report.feedback.as_ref().map(|feedback| feedback.kind.as_str()).unwrap_or_default();
        let id = report.original.as_ref().map(|original| original.message_id()).unwrap_or_default();
        (report.kind, report.form, kind, id)
    }

    const YAML: &str = "Content-Type: text/plain; name=report.txt\n\n---\nReported-From: abuse@example.net\nCategory: abuse\n\
        Report-Type: spam\nUser-Agent: trap 1.0\nSource: 192.0.2.7\n";

    #[test]
    fn complaints_in_yaml() {
        let found = message("X-ARF: YES\nAuto-Submitted: auto-generated\n", YAML);
        assert_eq!(shown(&found), (Kind::Feedback, "x-arf", "abuse", "1@example.com".to_owned()));
        assert_eq!(found.feedback.unwrap().user_agent, "trap 1.0");
        assert_ne!(message("", YAML).kind, Kind::Feedback, "the field says that it is one");
        let login = message("X-XARF: PLAIN\n", &YAML.replace("spam", "login-attack"));
        assert_eq!(shown(&login).2, "login-attack");
    }

    #[test]
    fn complaints_in_json() {
        let payload = BASE64.encode(b"From: carol@example.com\r\nMessage-ID: <2@example.com>\r\n\r\nx");
        let four = format!(
            r#"{{"xarf_version":"4.0.0","category":"messaging","type":"spam","smtp_from":"dev-bounces+x@example.org","evidence":[{{"content_type":"message/rfc822","payload":"{payload}"}}]}}"#
        );
        let three = format!(
            r#"{{"Version":"3","ReporterInfo":{{}},"Report":{{"ReportType":"Spam","Samples":[{{"ContentType":"message/rfc822","Base64Encoded":true,"Payload":"{payload}"}}]}}}}"#
        );
        for json in [&four, &three] {
            let found = message("", &format!("Content-Type: application/json; name=xarf.json\n\n{json}"));
            assert_eq!(shown(&found), (Kind::Feedback, "x-arf", "abuse", "2@example.com".to_owned()), "{json}");
        }
        let found = message("", &format!("Content-Type: application/json\n\n{four}"));
        assert_eq!(found.feedback.unwrap().original_mail_from.as_deref(), Some("dev-bounces+x@example.org"));
        for other in [r#"{"type":"spam"}"#, "[1]", "{", "", "{\"xarf_version\""] {
            assert_ne!(message("", &format!("Content-Type: application/json\n\n{other}")).kind, Kind::Feedback);
        }
    }

    #[test]
    fn complaints_of_microsoft() {
        let of = |subject: &str, field: &str| {
            let text = format!(
                "From: staff@example.com\nSubject: {subject}\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n\
                 {field}Received: from lists.example.org\nFrom: carol@example.com\nMessage-ID: <1@example.com>\n\nx\n--b--\n"
            );
            read(&Message::parse(text.as_bytes()))
        };
        let field = "X-HmXmrOriginalRecipient: redacted@example.com\n";
        let found = of("complaint about message from 192.0.2.7", field);
        assert_eq!(shown(&found), (Kind::Feedback, "jmrp", "abuse", "1@example.com".to_owned()));
        assert_ne!(of("complaint about message from 192.0.2.7", "").kind, Kind::Feedback);
        assert_ne!(of("hello", field).kind, Kind::Feedback);
    }
}
