//! Feedback reports (RFC 5965): somebody complains about a message.

use crate::message::Message;

use super::lines::one_line;

/// Octets of a value that is kept.
const MAX_VALUE: usize = 320;

/// What a feedback report says of itself. Whom it is about is told by ids of ours in [`super::Original`], never by an address:
/// providers take addresses out, and anybody can write one in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Feedback {
    /// The Feedback-Type in lower case: `abuse`, `fraud`, `not-spam`, `opt-out`, …; empty where it is missing.
    pub kind: String,
    /// The program that wrote it.
    pub user_agent: String,
    /// The envelope sender of the message that it is about, where it gives one: for our mail the signed return path.
    pub original_mail_from: Option<String>,
    /// The recipients it gives; often redacted.
    pub original_rcpt_to: Vec<String>,
    /// The domain on whose behalf it is written.
    pub reported_domain: Option<String>,
}

/// Reads the text of a `message/feedback-report` part.
pub(crate) fn read(text: &str) -> Feedback {
    let message = Message::parse(text.trim_start_matches('\n').as_bytes());
    let value = |name: &str| message.raw(name).next().map(|value| one_line(&value, MAX_VALUE));
    let address = |value: String| super::address::bare(&value);
    Feedback {
        kind: value("Feedback-Type").unwrap_or_default().to_ascii_lowercase(),
        user_agent: value("User-Agent").unwrap_or_default(),
        original_mail_from: value("Original-Mail-From").and_then(address),
        original_rcpt_to: message.raw("Original-Rcpt-To").take(100).filter_map(address).collect(),
        reported_domain: value("Reported-Domain").filter(|domain| !domain.is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_what_it_is_about() {
        let text = "\nFeedback-Type: Abuse\nUser-Agent: Some/1.0\nVersion: 1\n\
            Original-Mail-From: <dev-bounces+bob=example.net.x@lists.example.org>\nOriginal-Rcpt-To: <redacted@example.net>\n\
            Reported-Domain: lists.example.org\n";
        let feedback = read(text);
        assert_eq!(feedback.kind, "abuse");
        assert_eq!(feedback.original_mail_from.as_deref(), Some("dev-bounces+bob=example.net.x@lists.example.org"));
        assert_eq!(feedback.original_rcpt_to, ["redacted@example.net"]);
        assert_eq!(feedback.reported_domain.as_deref(), Some("lists.example.org"));
        assert_eq!(read(""), Feedback::default());
    }
}
