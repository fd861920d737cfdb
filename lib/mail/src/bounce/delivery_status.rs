//! Delivery status notifications (RFC 3464, and RFC 6533 for addresses that are not ASCII).

use super::StatusCode;
use super::address::{self, is_whole};
use super::lines::one_line;
use super::report::MAX_TEXT;

/// The most recipients that are read from one report.
pub(crate) const MAX_RECIPIENTS: usize = 1000;

/// What became of a recipient (RFC 3464 §2.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Failed,
    Delayed,
    /// Delivered, relayed or expanded.
    Done,
}

/// What a report says of one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) action: Action,
    pub(crate) address: String,
    pub(crate) status: Option<StatusCode>,
    pub(crate) text: String,
    pub(crate) remote_mta: Option<String>,
}

/// The recipients of whom the text of a `message/delivery-status` part tells, in its order.
pub(crate) fn rows(text: &str) -> Vec<Row> {
    let mut groups: Vec<Fields> = Vec::new();
    let mut fields = Fields::default();
    for line in text.lines().chain([""]) {
        if let Some(field) = Field::read(line) {
            // Two recipients with no empty line between them.
            if field.is_recipient() && fields.has(&field.name) {
                groups.push(std::mem::take(&mut fields));
            }
            fields.0.push(field);
        } else if line.starts_with([' ', '\t']) && !line.trim().is_empty() {
            fields.fold(line);
        } else if line.trim().is_empty() && !fields.0.is_empty() {
            groups.push(std::mem::take(&mut fields));
        }
    }
    merged(groups).iter().filter_map(Fields::row).take(MAX_RECIPIENTS).collect()
}

/// An empty line too many may part a recipient from what became of it.
fn merged(groups: Vec<Fields>) -> Vec<Fields> {
    let mut out: Vec<Fields> = Vec::new();
    for group in groups {
        match out.last_mut() {
            Some(last) if last.names_recipient() && !group.names_recipient() && !last.has("action") => {
                last.0.extend(group.0);
            }
            _ => out.push(group),
        }
    }
    out
}

struct Field {
    /// In lower case.
    name: String,
    value: String,
}

impl Field {
    fn read(line: &str) -> Option<Field> {
        let (name, value) = line.split_once(':')?;
        let name = name.trim_end();
        let is_name = (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        is_name.then(|| Field { name: name.to_ascii_lowercase(), value: value.trim().to_owned() })
    }

    fn is_recipient(&self) -> bool {
        matches!(self.name.as_str(), "final-recipient" | "original-recipient")
    }
}

/// One group of fields.
#[derive(Default)]
struct Fields(Vec<Field>);

impl Fields {
    fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|field| field.name == name).map(|field| field.value.as_str())
    }

    fn names_recipient(&self) -> bool {
        self.0.iter().any(Field::is_recipient)
    }

    fn fold(&mut self, line: &str) {
        if let Some(field) = self.0.last_mut()
            && field.value.len() < 8 * MAX_TEXT
        {
            field.value.push(' ');
            field.value.push_str(line.trim());
        }
    }

    fn row(&self) -> Option<Row> {
        let status = self.get("status").and_then(StatusCode::find);
        let text = one_line(untyped(self.get("diagnostic-code").unwrap_or_default()), MAX_TEXT);
        let remote_mta = self.get("remote-mta").map(|value| one_line(untyped(value), 255));
        Some(Row {
            action: self.action(status)?,
            address: self.address()?,
            status,
            text,
            remote_mta: remote_mta.filter(|host| !host.is_empty()),
        })
    }

    /// Where no action is given, the class of the status code is what there is.
    fn action(&self, status: Option<StatusCode>) -> Option<Action> {
        let word = self.get("action").unwrap_or_default().to_ascii_lowercase();
        match word.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default() {
            "failed" | "failure" | "fail" | "error" | "permanent" => Some(Action::Failed),
            "delayed" | "delay" | "transient" => Some(Action::Delayed),
            "delivered" | "relayed" | "expanded" | "deliverable" => Some(Action::Done),
            _ => match status?.class {
                5 => Some(Action::Failed),
                4 => Some(Action::Delayed),
                _ => Some(Action::Done),
            },
        }
    }

    /// RFC 3464 §2.3.1: the original recipient is the one that the sender knows.
    fn address(&self) -> Option<String> {
        let of = |name: &str| self.get(name).and_then(address::typed);
        let (original, last) = (of("original-recipient"), of("final-recipient"));
        match (original, last) {
            (Some(original), Some(last)) if is_whole(&original.address) => {
                if original.address.eq_ignore_ascii_case(&last.address) {
                    return Some(original.address);
                }
                Some(original.decoded())
            }
            (Some(original), None) => Some(original.decoded()),
            (_, last) => last.map(|last| last.address),
        }
    }
}

/// Without the type in front: `smtp; 550 unknown`, `dns; mx.example.net`.
fn untyped(value: &str) -> &str {
    match value.split_once(';') {
        Some((kind, rest)) if !kind.trim().contains(' ') && kind.len() < 32 => rest.trim(),
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let show = |row: &Row| {
            let status = row.status.map(|code| code.to_string()).unwrap_or_default();
            format!("{:?} {} {} {}", row.action, row.address, status, row.text).trim_end().to_owned()
        };
        rows(text).iter().map(show).collect()
    }

    #[test]
    fn each_recipient_with_what_became_of_it() {
        let text = "Reporting-MTA: dns; mx.example.com\n\n\
            Original-Recipient: rfc822;bob+2Bx@example.net\nFinal-Recipient: rfc822;b@inner.example.net\nAction: failed\n\
            Status: 5.1.1 (no such user)\nRemote-MTA: dns; inner.example.net\n\
            Diagnostic-Code: smtp; 550 5.1.1\n  unknown\n\n\
            Final-Recipient: rfc822;carol@example.net\nAction: delayed\nStatus: 4.4.1\n\n\
            Final-Recipient: rfc822;dave@example.net\nAction: relayed\nStatus: 2.0.0\n";
        assert_eq!(
            shown(text),
            [
                "Failed bob+x@example.net 5.1.1 550 5.1.1 unknown",
                "Delayed carol@example.net 4.4.1",
                "Done dave@example.net 2.0.0"
            ]
        );
        assert_eq!(rows(text)[0].remote_mta.as_deref(), Some("inner.example.net"));
    }

    #[test]
    fn groups_that_are_not_parted_as_they_should_be() {
        let together = "Reporting-MTA: dns; x\nFinal-Recipient: rfc822;a@example.net\nAction: failed\nStatus: 5.1.1\n\
            Final-Recipient: rfc822;b@example.net\nAction: failed\nStatus: 5.2.2\n";
        assert_eq!(shown(together), ["Failed a@example.net 5.1.1", "Failed b@example.net 5.2.2"]);
        let apart = "Final-Recipient: rfc822;a@example.net\n\nAction: failed\n\nStatus: 5.1.1\n";
        assert_eq!(shown(apart), ["Failed a@example.net"]);
    }

    #[test]
    fn odd_fields() {
        for (text, row) in [
            ("Final-Recipient: a@example.net\nStatus: 5.0.0\n", "Failed a@example.net 5.0.0"),
            ("Final-Recipient: rfc822;a@example.net\nAction: failed (bounced)\n", "Failed a@example.net"),
            ("Original-Recipient: rfc822; <a@example.net>\nAction: FAILED\n", "Failed a@example.net"),
            (
                "Original-Recipient: rfc822;unknown\nFinal-Recipient: rfc822;a@example.net\nAction: failed\n",
                "Failed a@example.net",
            ),
            ("Final-Recipient : rfc822;a@example.net\nStatus: 4.2.2\n", "Delayed a@example.net 4.2.2"),
        ] {
            assert_eq!(shown(text), [row], "{text}");
        }
        for none in [
            "",
            "\n\n",
            "Reporting-MTA: dns; x\n",
            "Action: failed\n",
            "Final-Recipient: rfc822;a@example.net\n",
            ": x\n",
        ] {
            assert_eq!(shown(none), Vec::<String>::new(), "{none}");
        }
    }

    #[test]
    fn a_bomb_is_cut() {
        let many = "Final-Recipient: rfc822;a@example.net\nAction: failed\n\n".repeat(20_000);
        assert_eq!(rows(&many).len(), MAX_RECIPIENTS);
        let folded = format!(
            "Final-Recipient: rfc822;a@example.net\nAction: failed\nDiagnostic-Code: {}",
            " x\n".repeat(200_000)
        );
        assert!(rows(&folded)[0].text.len() <= MAX_TEXT);
    }
}
