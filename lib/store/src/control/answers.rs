//! Each question's answer.

use listmill_core::{CommitError, Role, Unavailable};
use serde::Serialize;
use serde_json::Value;

use super::protocol::{Answer, Question};
use super::server::Attendant;
use crate::Store;

/// The answer to a question.
pub(super) fn answer(store: &dyn Store, attendant: &dyn Attendant, question: Question<'_>) -> Answer<Value> {
    match question {
        Question::List { list } => done(store.list(&list)),
        Question::Lists { after, limit } => done(store.lists(after.as_deref(), limit)),
        Question::Member { list, address } => done(store.member(&list, &address)),
        Question::Roster { list, after, limit } => done(store.roster(&list, after.as_deref(), limit)),
        Question::MemberCount { list } => done(store.member_count(&list)),
        Question::Staff { list, role } => match role.parse::<Role>() {
            Ok(role) => done(store.staff(&list, role)),
            Err(error) => Answer::NotUnderstood(error),
        },
        Question::Held { list, after, limit } => done(store.held(&list, after, limit)),
        Question::HeldEntry { list, id } => done(store.held_entry(&list, id)),
        Question::HeldByEntry { list, entry } => done(store.held_by_entry(&list, entry)),
        Question::Lapsed { at, limit } => done(store.lapsed(at, limit)),
        Question::Decision { list, id } => done(store.decision(&list, id)),
        Question::Decisions { list, after, limit } => done(store.decisions(&list, after, limit)),
        Question::Request { list, kind, address } => done(store.request(&list, kind, &address)),
        Question::RequestByHandle { list, handle } => done(store.request_by_handle(&list, &handle)),
        Question::Spent { address, trust, at } => done(store.spent(&address, trust, at)),
        Question::Bounces { list, address } => done(store.bounces(&list, &address)),
        Question::BouncesDue { at, limit } => done(store.bounces_due(at, limit)),
        Question::BounceTally { list, name } => done(store.bounce_tally(&list, &name)),
        Question::BounceTallies { list, after, limit } => done(store.bounce_tallies(&list, after.as_deref(), limit)),
        Question::Banned { list, address } => done(store.banned(&list, &address)),
        Question::Bans { scope } => done(store.bans(&scope)),
        Question::SigningKeys => done(store.signing_keys()),
        Question::Audit { after, limit } => done(store.audit(after, limit)),
        Question::Commit { commit } => match store.commit(&commit) {
            Err(CommitError::Refused(refusal)) => Answer::Refused(refusal),
            Err(CommitError::Unavailable(reason)) => Answer::Unavailable(reason),
            Ok(committed) => done(Ok(committed)),
        },
        Question::Applied { id } => done(store.applied(id)),
        Question::OutboxDone { id } => done(store.outbox_done(id)),
        Question::Outbox { limit } => done(store.outbox(limit)),
        Question::Figures => done(store.figures()),
        // It has more than one line, and is answered elsewhere.
        Question::Backup => Answer::NotUnderstood("a backup".to_owned()),
        Question::Status => Answer::Done(attendant.status()),
        Question::Drain { runner } => match attendant.drain(runner) {
            Ok(draining) => done(Ok(draining)),
            Err(reason) => Answer::NotUnderstood(reason),
        },
    }
}

fn done<T: Serialize>(result: Result<T, Unavailable>) -> Answer<Value> {
    match result {
        Ok(value) => match serde_json::to_value(value) {
            Ok(value) => Answer::Done(value),
            Err(error) => Answer::Unavailable(format!("the answer cannot be written as JSON: {error}")),
        },
        Err(error) => Answer::Unavailable(error.reason),
    }
}
