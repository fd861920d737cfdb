//! `listmill held`: decisions about posts that wait for a moderator.

use listmill_command::{Operated, Order};
use listmill_core::{Context, Disposition, HeldId, HeldPost, List, ListAddress, Verdict};
use listmill_queue_format::{Entry, Envelope, Timestamp, decode};
use listmill_runner::fresh_id;

use crate::cli::{Held, Json};
use crate::failure::{Failure, Outcome};
use crate::office::Office;
use crate::{output, wiring};

pub(crate) fn run(office: &Office, command: Held) -> Outcome {
    match command {
        Held::Ls { list, json } => ls(office, list, json),
        Held::Show { list, id, message, json } => show(office, &list, id, message, json),
        Held::Accept { list, id } => accept(office, &list, &id),
        Held::Reject { list, id, reason } => {
            readable(&reason)?;
            decide(office, &list, &id, Verdict::Reject, &reason)
        }
        Held::Discard { list, id } => decide(office, &list, &id, Verdict::Discard, ""),
        Held::Undo { list, id } => undo(office, &list, &id),
        Held::Summary { list } => summary(office, &list),
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
            // A wish to join or to leave waits among the posts.
            post.asks.as_ref().map_or_else(|| post.subject.clone(), |asks| format!("asks: {asks}")),
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
    // A wish to join or to leave is no post.
    let what = if post.asks.is_some() { "request" } else { "post" };
    output::line(format!("{list}, held {what} {id}, since {}, lapses {}", post.since, post.expires))?;
    output::line(format!("author:     {}", output::printable(&post.author)))?;
    output::line(format!("subject:    {}", output::printable(&post.subject)))?;
    if let Some(asks) = &post.asks {
        output::line(format!("asks:       {}", output::printable(asks)))?;
    }
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
fn accept(office: &Office, list: &ListAddress, ids: &[HeldId]) -> Outcome {
    decide(office, list, ids, Verdict::Accept, "")
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

/// Decides about posts: all of them, or none.
fn decide(office: &Office, list: &ListAddress, ids: &[HeldId], verdict: Verdict, reason: &str) -> Outcome {
    let ids = each_once(ids);
    let operated = operate(office, list, Order::Decide { verdict, ids: &ids, reason }, &format!("held {verdict}"))?;
    let what = match verdict {
        Verdict::Accept => "accepted",
        Verdict::Reject => "rejected",
        Verdict::Discard => "discarded",
        Verdict::Lapse | Verdict::Cancel => verdict.name(),
    };
    output::line(format!("{list}: {}: {what}", numbers(&ids)))?;
    operated.remarks.iter().try_for_each(output::line)
}

/// Takes decisions back: all of them, or none.
fn undo(office: &Office, list: &ListAddress, ids: &[HeldId]) -> Outcome {
    let ids = each_once(ids);
    operate(office, list, Order::Undo(&ids), "held undo")?;
    output::line(format!("{list}: {}: held again", numbers(&ids)))
}

fn summary(office: &Office, list: &ListAddress) -> Outcome {
    let operated = operate(office, list, Order::Summary, "held summary")?;
    output::line(match operated.summaries {
        0 if office.store.held(list, None, 1)?.is_empty() => format!("{list}: nothing waits"),
        0 => format!("{list}: there is nobody to send a summary to"),
        1 => format!("{list}: 1 summary"),
        many => format!("{list}: {many} summaries"),
    })
}

fn each_once(ids: &[HeldId]) -> Vec<HeldId> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn numbers(ids: &[HeldId]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Asks the command stage what follows from an order, and carries it out.
fn operate(office: &Office, list: &ListAddress, order: Order<'_>, why: &str) -> Outcome<Operated> {
    let record = office.list(list)?;
    let now = Timestamp::now();
    let mut entry = Entry::arrived(fresh_id(now), now, Envelope::default(), Vec::new().into());
    entry.list = Some(list.to_string());
    let cx = Context { now, seed: entry.id.seed() };
    let mut operated = wiring::command(&office.site).operate(&entry, &record, order, &*office.store, cx)?;
    if !operated.refused.is_empty() {
        return Err(Failure::data(operated.refused.join("; ")));
    }
    let (mut changes, mut outgoing) = (Vec::new(), Vec::new());
    for disposition in std::mem::take(&mut operated.dispositions) {
        match disposition {
            Disposition::Change(change) => changes.push(change),
            Disposition::Forward { entry, .. } | Disposition::Notify { entry, .. } => outgoing.push(entry),
            Disposition::Shunt { reason } => return Err(Failure::data(reason)),
            _ => {}
        }
    }
    office.commit_and_send(why, changes, &outgoing)?;
    Ok(operated)
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
