//! `listmill held`: decisions about posts that wait for a moderator.

use listmill_core::{Context, HeldId, HeldPost, List, ListAddress, StoreChange, Verdict, Word};
use listmill_letters::{Letter, Letters, author_of};
use listmill_mail::message::Message;
use listmill_queue_format::{Approval, Entry, Queue, Timestamp, decode};
use listmill_templates::Rejected;
use serde_json::Map;

use crate::cli::{Held, Json};
use crate::failure::{Failure, Outcome};
use crate::office::Office;
use crate::{output, wiring};

pub(crate) fn run(office: &Office, command: Held) -> Outcome {
    match command {
        Held::Ls { list, json } => ls(office, list, json),
        Held::Show { list, id, message, json } => show(office, &list, id, message, json),
        Held::Accept { list, id } => accept(office, &list, &id),
        Held::Reject { list, id, reason } => reject(office, &list, &id, &reason),
        Held::Discard { list, id } => decide(office, &list, &id, Verdict::Discard, &[]),
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

/// Lets posts through to the list: all of them, or none.
pub(crate) fn accept(office: &Office, list: &ListAddress, ids: &[HeldId]) -> Outcome {
    let approval = Approval { by: "operator".to_owned(), at: Timestamp::now(), other: Map::new() };
    let approved = ids.iter().map(|id| {
        let mut entry = held(office, list, *id)?.1.derive("held", 0, Queue::Pending);
        entry.facts.approved = Some(approval.clone());
        Ok(entry)
    });
    decide(office, list, ids, Verdict::Accept, &approved.collect::<Outcome<Vec<_>>>()?)
}

fn reject(office: &Office, list: &ListAddress, ids: &[HeldId], reason: &str) -> Outcome {
    readable(reason)?;
    let record = office.list(list)?;
    let (mut notices, mut untold) = (Vec::new(), Vec::new());
    for id in ids {
        let (_, entry) = held(office, list, *id)?;
        let cx = Context { now: Timestamp::now(), seed: entry.id.seed() };
        match rejection(&wiring::letters(&office.site), &entry, &record, reason, cx) {
            Ok(notice) => notices.push(notice),
            Err(why) => untold.push(format!("the author of post {id} is not told: {why}")),
        }
    }
    decide(office, list, ids, Verdict::Reject, &notices)?;
    untold.iter().try_for_each(output::line)
}

fn rejection(letters: &Letters, entry: &Entry, list: &List, reason: &str, cx: Context) -> Result<Entry, String> {
    let message = Message::parse(&entry.message);
    let reader = author_of(entry, &message).map_err(|silence| silence.to_string())?;
    let values = Rejected {
        list: list.address.as_str(),
        subject: &message.subject(),
        reason,
        owner: &list.address.with_word(Word::Owner, ""),
    };
    let language = &list.settings.language;
    let letter = Letter { answers: Some(&message), ..Letter::from_owners("rejected", list, &reader.address, language) };
    letters.write(&letter, &values, entry, "held", 1, cx).map_err(|error| error.to_string())
}

/// The author reads the reason, in a program that control characters may lead.
fn readable(reason: &str) -> Outcome {
    match reason.chars().find(|c| c.is_control() && !['\n', '\t'].contains(c)) {
        None => Ok(()),
        Some(odd) => Err(Failure::data(format!(
            "the reason has the control character U+{:04X}; line ends (LF) and tabs alone are allowed",
            u32::from(odd)
        ))),
    }
}

fn decide(office: &Office, list: &ListAddress, ids: &[HeldId], verdict: Verdict, outgoing: &[Entry]) -> Outcome {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    let by = "operator";
    let gone = |id: &HeldId| StoreChange::Unhold { list: list.clone(), id: *id, verdict, by: by.to_owned() };
    office.commit_and_send(&format!("held {verdict}"), ids.iter().map(gone).collect(), outgoing)?;
    let numbers: Vec<_> = ids.iter().map(ToString::to_string).collect();
    output::line(format!("{list}: post {}: {verdict}", numbers.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_has_no_control_character_but_line_ends_and_tabs() {
        for good in ["", "Not about the mill.", "One line,\n\tand Grüße."] {
            assert!(readable(good).is_ok(), "{good:?}");
        }
        for bad in ["\u{1b}[2J", "a\r\nb", "\0", "a\u{7f}", "\u{9b}31m", "\u{7}"] {
            let failure = readable(bad).expect_err(bad);
            let shown = format!("{failure:?}");
            assert!(shown.contains("code: 65") && shown.contains("U+"), "{shown}");
        }
    }
}
