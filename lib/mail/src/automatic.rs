//! Automatic mail (RFC 3834): what must not be answered.

use crate::message::Message;

/// Why this is automatic mail, for a log; none when a person seems to have sent it.
///
/// `envelope_sender` is the reverse-path without angle brackets; empty for the null reverse-path.
pub fn automatic(message: &Message<'_>, envelope_sender: &str) -> Option<String> {
    if envelope_sender.is_empty() {
        return Some("the envelope sender is empty".to_owned());
    }
    // RFC 3834 §5: anything but "no" says that a program sent it.
    let submitted = message.text("Auto-Submitted")?;
    (!submitted.to_ascii_lowercase().starts_with("no")).then(|| format!("Auto-Submitted: {submitted}"))
}
