//! The chain: which rules look at a post, in which order, and what is done when one hits.
//!
//! A post walks down the table. A rule that holds does not end the walk, because a moderator is to see every reason at
//! once; a rule that accepts, rejects or discards does. What was held on the way stays held when a later rule accepts, but
//! not when one rejects or discards: a moderator's time is not spent on what the list does not want in any case. A post
//! that reaches the end is accepted, or held when anything has held it.

use listmill_core::Action;
use listmill_queue_format::RuleHit;

use crate::post::Post;
use crate::rules;

/// What a rule saw.
pub(crate) struct Hit {
    /// For a person.
    pub(crate) reason: String,
    /// What the setting or the member's record says, where the table leaves it to them.
    pub(crate) action: Option<Action>,
}

impl Hit {
    /// The table says what is done.
    pub(crate) fn because(reason: impl Into<String>) -> Self {
        Hit { reason: reason.into(), action: None }
    }

    /// The setting or the member's record says what is done.
    pub(crate) fn saying(action: Action, reason: impl Into<String>) -> Self {
        Hit { reason: reason.into(), action: Some(action) }
    }
}

/// What is done when a rule hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// This, always.
    Always(Action),
    /// Reject, and tell nobody but the log: an answer would be backscatter or would go round in the loop.
    Refuse,
    /// What the setting or the member's record says.
    AsSaid,
}

/// Which mail a rule looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Covers {
    /// Posts, and mail to the owners and to the site admins.
    Everything,
    /// Posts.
    Posts,
}

/// One row of the chain.
#[derive(Clone, Copy)]
pub struct Row {
    file: &'static str,
    look: fn(&Post<'_>) -> Option<Hit>,
    /// What is done when the rule hits.
    pub then: Then,
    /// Which mail the rule looks at.
    pub covers: Covers,
    /// Why the row stands where it stands.
    pub why: &'static str,
}

impl Row {
    /// The rule's name in facts, logs, documentation and case directories: `no-subject` for `rules/no_subject.rs`.
    pub fn rule(&self) -> String {
        self.file.trim_start_matches("r#").replace('_', "-")
    }
}

macro_rules! chain {
    ($($rule:ident, $covers:ident => $then:expr, $why:literal;)+) => {
        const CHAIN: &[Row] = &[$(
            Row { file: stringify!($rule), look: rules::$rule::look, then: $then, covers: Covers::$covers, why: $why },
        )+];
    };
}

chain! {
    banned, Everything => Then::Always(Action::Discard),
        "First: nobody's time is spent on a banned person, and no answer tells them that they are.";
    r#loop, Everything => Then::Refuse,
        "Before anything that keeps, answers or distributes: each of these would feed the loop.";
    approved, Everything => Then::Always(Action::Accept),
        "A moderator has read the post and decided; only the two rows above, which protect others, come before.";
    emergency, Posts => Then::Always(Action::Hold),
        "Above the owner's own header rules, so that none of them lets a post through; those that discard spam still do.";
    header_match, Posts => Then::AsSaid,
        "The owner's explicit word comes before what is built in, and may accept what the rows below would hold.";
    administrivia, Posts => Then::Always(Action::Hold),
        "A command is for us and not for the list, whoever wrote it.";
    automatic_reply, Posts => Then::Always(Action::Hold),
        "As the row above: not meant for everybody. Below the owner's rules, which may accept what a gateway brings.";
    max_size, Posts => Then::Always(Action::Reject),
        "The author can do something about it, so they are told. Inbound refuses most of these in the dialogue.";
    max_recipients, Posts => Then::Always(Action::Hold),
        "Signs of a mass mailing; above the member rules, because a member's address is easily put into From.";
    implicit_destination, Posts => Then::Always(Action::Hold),
        "As the row above: most mail that does not name the list was not meant for it.";
    no_subject, Posts => Then::Always(Action::Hold),
        "As the rows above; most often a slip or a command.";
    doubtful_author, Posts => Then::Always(Action::Hold),
        "Before the rules about people: neither applies where nobody is named, and a disowned name gains nothing by them.";
    member_moderation, Posts => Then::AsSaid,
        "Behind everything that looks at the message alone, so that a moderator sees those reasons too.";
    nonmember_moderation, Posts => Then::AsSaid,
        "Last: it is the common reason, and says least about the message.";
}

/// The chain, in order.
pub fn chain() -> &'static [Row] {
    CHAIN
}

/// What the chain came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Accept,
    Hold,
    Reject { tell_author: bool },
    Discard,
}

/// Walks down the chain: the verdict, and every rule that hit, in order; the last one decided, unless the verdict is
/// to hold.
pub(crate) fn judge(post: &Post<'_>) -> (Verdict, Vec<RuleHit>) {
    let mut hits = Vec::new();
    let mut held = false;
    for row in CHAIN.iter().filter(|row| row.covers == Covers::Everything || post.is_post()) {
        let Some(hit) = (row.look)(post) else { continue };
        hits.push(RuleHit { rule: row.rule(), reason: hit.reason, other: Default::default() });
        let ended = match (row.then, hit.action) {
            (Then::Refuse, _) => Some(Verdict::Reject { tell_author: false }),
            (Then::Always(action), _) | (Then::AsSaid, Some(action)) => verdict(action, held),
            // A rule that says nothing where it should: a person decides.
            (Then::AsSaid, None) => None,
        };
        match ended {
            Some(verdict) => return (verdict, hits),
            None => held = true,
        }
    }
    (if held { Verdict::Hold } else { Verdict::Accept }, hits)
}

/// What an action ends the walk with; none when it goes on.
fn verdict(action: Action, held: bool) -> Option<Verdict> {
    match action {
        Action::Accept => Some(if held { Verdict::Hold } else { Verdict::Accept }),
        Action::Hold => None,
        Action::Reject => Some(Verdict::Reject { tell_author: true }),
        Action::Discard => Some(Verdict::Discard),
    }
}

#[cfg(test)]
mod tests;
