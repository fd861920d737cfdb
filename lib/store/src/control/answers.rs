//! Each question's answer.

use listmill_core::{CommitError, Role, Unavailable};
use serde::Serialize;
use serde_json::Value;

use super::protocol::{Answer, Request};
use crate::Store;

/// The answer to a question.
pub(super) fn answer(store: &dyn Store, status: &dyn Fn() -> Value, request: Request<'_>) -> Answer<Value> {
    match request {
        Request::List { list } => done(store.list(&list)),
        Request::Lists { after, limit } => done(store.lists(after.as_deref(), limit)),
        Request::Member { list, address } => done(store.member(&list, &address)),
        Request::Roster { list, after, limit } => done(store.roster(&list, after.as_deref(), limit)),
        Request::MemberCount { list } => done(store.member_count(&list)),
        Request::Staff { list, role } => match role.parse::<Role>() {
            Ok(role) => done(store.staff(&list, role)),
            Err(error) => Answer::NotUnderstood(error),
        },
        Request::Held { list, after, limit } => done(store.held(&list, after, limit)),
        Request::HeldEntry { list, id } => done(store.held_entry(&list, id)),
        Request::Banned { list, address } => done(store.banned(&list, &address)),
        Request::Bans { scope } => done(store.bans(&scope)),
        Request::SigningKeys => done(store.signing_keys()),
        Request::Audit { after, limit } => done(store.audit(after, limit)),
        Request::Commit { commit } => match store.commit(&commit) {
            Err(CommitError::Refused(refusal)) => Answer::Refused(refusal),
            Err(CommitError::Unavailable(reason)) => Answer::Unavailable(reason),
            Ok(committed) => done(Ok(committed)),
        },
        Request::Applied { id } => done(store.applied(id)),
        Request::OutboxDone { id } => done(store.outbox_done(id)),
        Request::Outbox { limit } => done(store.outbox(limit)),
        Request::Figures => done(store.figures()),
        Request::Status => Answer::Done(status()),
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
