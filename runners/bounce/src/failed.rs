//! One failed delivery, whichever way it came to be known.

use listmill_core::{BounceEvent, Cause, Settings, Timestamp};
use listmill_mail::bounce::{Failure, Report, classify};
use listmill_mail::verp::VerpClaim;
use listmill_queue_format::Outcome;

/// Characters of what the other side said that are kept.
const MAX_EVIDENCE: usize = 160;

/// What a step is, in the hundredths in which weights are counted.
pub(crate) const STEP: u32 = 100;

/// One failed delivery. Who and what it concerns our own signed return path says; a report says only why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failed {
    /// Whom and what it concerns.
    pub(crate) claim: VerpClaim,
    /// Whose fault it is.
    pub(crate) cause: Cause,
    /// It may count against the member.
    pub(crate) scores: bool,
    /// Another try would not help.
    hard: bool,
    status: String,
    evidence: String,
    host: Option<String>,
}

impl Failed {
    /// By a reply that the next host gave us.
    pub(crate) fn by_reply(claim: VerpClaim, outcome: &Outcome) -> Self {
        let verdict = classify(outcome.status.parse().ok(), outcome.code, &outcome.text);
        Failed {
            claim,
            cause: verdict.cause,
            scores: verdict.cause.is_the_recipients(),
            hard: verdict.hard,
            status: outcome.status.clone(),
            evidence: one_line(&outcome.text),
            host: None,
        }
    }

    /// By a report. Of several failures it is that of the member's own address; else the mildest, for an alias of many people may have
    /// failed for one of them.
    ///
    /// Who stands behind a shared path may have been put there by anybody who has a copy of the post. So such a failure counts as one that may pass, whatever
    /// it says of itself, never as beyond doubt, and its words, which may be somebody's own, are not passed on to people.
    pub(crate) fn by_report(claim: VerpClaim, report: &Report) -> Self {
        let own = |failure: &&Failure| {
            failure.address.parse().is_ok_and(|address: listmill_core::Address| address == claim.recipient)
        };
        let named = report.recipients.iter();
        let failure = named.clone().find(own).or_else(|| named.min_by_key(|failure| (failure.scores, failure.hard)));
        let Some(failure) = failure else {
            let (status, evidence) = (String::new(), String::new());
            return Failed { claim, cause: Cause::Unknown, scores: false, hard: false, status, evidence, host: None };
        };
        Failed {
            cause: failure.cause,
            scores: failure.scores && failure.cause.is_the_recipients(),
            hard: failure.hard && !claim.is_shared,
            status: failure.status.map(|status| status.to_string()).unwrap_or_default(),
            evidence: if claim.is_shared { String::new() } else { one_line(&failure.text) },
            host: failure.remote_mta.as_deref().and_then(organisation),
            claim,
        }
    }

    /// A host that is named says of this one mailbox that it is gone for good. What our next host says is not of that kind: it may
    /// be wrong about everybody at once.
    pub(crate) fn is_own(&self) -> bool {
        self.cause == Cause::Gone && self.hard && self.scores && self.host.is_some()
    }

    /// As it stands in the member's history.
    pub(crate) fn event(&self, settings: &Settings, at: Timestamp) -> BounceEvent {
        let weight = match (self.scores, self.hard) {
            (false, _) => 0,
            (true, true) => STEP,
            (true, false) => settings.bounce_soft_weight,
        };
        let is_probe = self.claim.is_probe;
        BounceEvent {
            at,
            cause: self.cause,
            status: self.status.clone(),
            weight: if is_probe { 0 } else { weight },
            post: if is_probe { String::new() } else { format!("post/{}", self.claim.post_name()) },
            relay: if is_probe || self.cause == Cause::DomainDead { String::new() } else { self.relay(at) },
            evidence: self.evidence.clone(),
        }
    }

    /// Who refused it: the organisation of the host that said so, or else that of the address.
    fn relay(&self, at: Timestamp) -> String {
        let host = self.host.as_deref().unwrap_or(self.claim.recipient.domain());
        format!("relay/{}/{host}", at.strftime("%Y%m%d"))
    }
}

/// What is kept of a text.
fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").chars().take(MAX_EVIDENCE).collect()
}

/// `mx3.mail.example.net` is a host of example.net, and `mx.example.co.uk` one of example.co.uk.
fn organisation(host: &str) -> Option<String> {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let good = host.len() <= 100 && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
    let labels: Vec<&str> = host.split('.').collect();
    let is_name = good
        && labels.len() > 1
        && labels.last().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_alphabetic()));
    if !is_name || labels.iter().any(|label| label.is_empty()) {
        return None;
    }
    let second_level = labels.len() > 2 && labels[labels.len() - 1].len() == 2 && labels[labels.len() - 2].len() <= 3;
    Some(labels[labels.len().saturating_sub(if second_level { 3 } else { 2 })..].join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_belong_to_organisations() {
        for (host, of) in [
            ("mx3.mail.example.net.", Some("example.net")),
            ("MX.Example.co.uk", Some("example.co.uk")),
            ("example.org", Some("example.org")),
            ("192.0.2.1", None),
            ("localhost", None),
            ("a..example", None),
            ("mx example.net", None),
            ("", None),
        ] {
            assert_eq!(organisation(host).as_deref(), of, "{host}");
        }
    }

    #[test]
    fn evidence_is_one_short_line() {
        assert_eq!(one_line("550\r\n no\u{7}such  user"), "550 no such user");
        assert_eq!(one_line(&"ü".repeat(1000)).chars().count(), MAX_EVIDENCE);
    }
}
