//! `listmill held`: decisions about posts that wait for a moderator.

use listmill_core::{Context, HeldId, HeldPost, List, ListAddress, StoreChange};
use listmill_queue_format::{Approval, Entry, Queue, Timestamp, decode};
use serde_json::Map;

use crate::cli::{Held, Json};
use crate::failure::{Failure, Outcome};
use crate::office::Office;
use crate::{output, wiring};

pub(crate) fn run(office: &Office, command: Held) -> Outcome {
    match command {
        Held::Ls { list, json } => ls(office, list, json),
        Held::Show { list, id, message, json } => show(office, &list, id, message, json),
        Held::Accept { list, id } => id.into_iter().try_for_each(|id| accept(office, &list, id)),
        Held::Reject { list, id, reason } => id.into_iter().try_for_each(|id| reject(office, &list, id, &reason)),
        Held::Discard { list, id } => {
            let gone = |id| StoreChange::Unhold { list: list.clone(), id, decision: "discard".to_owned() };
            office.commit("held discard", id.into_iter().map(gone).collect())
        }
    }
}

fn ls(office: &Office, list: Option<ListAddress>, json: Json) -> Outcome {
    let mut posts = Vec::new();
    let mut collect = |list: &List| {
        let mut after = None;
        loop {
            let page = office.store.held(&list.address, after, 500)?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.id);
            posts.extend(page);
        }
    };
    match list {
        Some(list) => collect(&office.list(&list)?)?,
        None => office.each_list(|list| collect(&list))?,
    }
    if json.on {
        return output::json(&posts);
    }
    let row = |post: &HeldPost| {
        vec![
            post.list.to_string(),
            post.id.to_string(),
            post.author.clone(),
            post.subject.clone(),
            output::octets(post.size),
            rules(post),
        ]
    };
    output::table(&["LIST", "ID", "AUTHOR", "SUBJECT", "SIZE", "WHY"], &posts.iter().map(row).collect::<Vec<_>>())
}

fn rules(post: &HeldPost) -> String {
    post.reasons.iter().map(|hit| hit.rule.as_str()).collect::<Vec<_>>().join(", ")
}

fn show(office: &Office, list: &ListAddress, id: HeldId, message: bool, json: Json) -> Outcome {
    let (post, entry) = held(office, list, id)?;
    if message {
        return output::bytes(&entry.message);
    }
    if json.on {
        return output::json(&post);
    }
    output::line(format!("{list}, held post {id}, since {}, lapses {}", post.since, post.expires))?;
    output::line(format!("author:     {}", output::printable(&post.author)))?;
    output::line(format!("subject:    {}", output::printable(&post.subject)))?;
    output::line(format!("message-id: {}", output::printable(&post.message_id)))?;
    output::line(format!("size:       {}", output::octets(post.size)))?;
    post.reasons.iter().try_for_each(|hit| output::line(format!("{}: {}", hit.rule, output::printable(&hit.reason))))
}

/// A held post and its entry.
fn held(office: &Office, list: &ListAddress, id: HeldId) -> Outcome<(HeldPost, Entry)> {
    office.list(list)?;
    let found = office.store.held_entry(list, id)?;
    let (post, file) =
        found.ok_or_else(|| Failure::data(format!("{list} holds no post {id}: see `listmill held ls {list}`")))?;
    let entry = decode(&file.0).map_err(|error| Failure::data(format!("held post {id} is corrupt: {error}")))?;
    Ok((post, entry))
}

/// Lets a post through to the list.
pub(crate) fn accept(office: &Office, list: &ListAddress, id: HeldId) -> Outcome {
    let (_, entry) = held(office, list, id)?;
    let mut entry = entry.derive("held", 0, Queue::Pending);
    let now = Timestamp::now();
    entry.facts.approved = Some(Approval { by: "operator".to_owned(), at: now, other: Map::new() });
    decide(office, list, id, "accept", &[entry])
}

fn reject(office: &Office, list: &ListAddress, id: HeldId, reason: &str) -> Outcome {
    let (_, entry) = held(office, list, id)?;
    let record = office.list(list)?;
    let cx = Context { now: Timestamp::now(), seed: entry.id.seed() };
    let notice = wiring::moderation().rejection(&entry, &record, reason, cx);
    decide(office, list, id, "reject", notice.as_ref().map_or(&[], std::slice::from_ref))?;
    match notice {
        Ok(_) => Ok(()),
        Err(why) => output::line(format!("post {id} is rejected; its author is not told: {why}")),
    }
}

fn decide(office: &Office, list: &ListAddress, id: HeldId, decision: &str, outgoing: &[Entry]) -> Outcome {
    let gone = StoreChange::Unhold { list: list.clone(), id, decision: decision.to_owned() };
    office.commit_and_send(&format!("held {decision}"), vec![gone], outgoing)
}
