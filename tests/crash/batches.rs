//! Rows E2 to E9 for entries that a thread has in hand together: whichever call fails and wherever the process dies, each comes to what it would
//! have come to alone.

use listmill_core::{Disposition, StoreChange};
use listmill_queue::State;
use listmill_queue_format::{Entry, EntryId, Queue};
use listmill_runner::{Carried, Shell};

use crate::breaking::{Fate, Hazard};
use crate::fake::{Fake, add_bob, bob, dev, forward, notify};
use crate::mill::{Mill, assert_settled, claim_all, effects, entry, survives, there, waiting, work_off};

const STAGE: Queue = Queue::Moderation;

/// A post that is forwarded when it says so; else somebody who adds bob to the list, and is told if bob is there already.
fn stage() -> Fake {
    Fake::new(|entry, view, _| {
        let is_post = entry.envelope.sender == "post@example.net";
        Ok(match view.member(&dev(), &bob())? {
            _ if is_post => vec![forward(entry, 0, Queue::Pending), forward(entry, 1, Queue::Outbound)],
            None => vec![notify(entry, 0, "welcome"), Disposition::Change(add_bob())],
            Some(_) => vec![notify(entry, 1, "you are on the list already")],
        })
    })
}

fn post() -> Entry {
    let mut post = entry(STAGE);
    post.envelope.sender = "post@example.net".to_owned();
    post
}

/// Two who add bob, and a post between them.
fn batch() -> [Entry; 3] {
    [entry(STAGE), post(), entry(STAGE)]
}

fn in_outbound(shell: &Shell) -> Vec<EntryId> {
    let mut ids: Vec<EntryId> = there(shell, Queue::Outbound, State::New).iter().map(|entry| entry.id).collect();
    ids.sort_unstable();
    ids
}

/// Bob was added once, by one of the two, and the other was told; the post has left once.
fn check(shell: &Shell, [one, post, other]: &[Entry; 3]) {
    assert_settled(shell, STAGE);
    assert_eq!(waiting(shell, Queue::Pending), [post.id.derive("moderation", 0)]);
    assert_eq!(effects(shell, one.id) + effects(shell, other.id), 1);
    let (first, second) = if effects(shell, one.id) == 1 { (one, other) } else { (other, one) };
    let mut ids =
        vec![first.id.derive("moderation", 0), second.id.derive("moderation", 1), post.id.derive("moderation", 1)];
    ids.sort_unstable();
    assert_eq!(in_outbound(shell), ids);
}

#[test]
fn whatever_call_fails_for_entries_in_one_hand_each_happens_once() {
    // Of the two commits the second is refused, and its entry decided again; what leaves is put together.
    let calls = ["commit", "put", "outbox_done", "release"];
    for fate in Fate::ALL {
        for (at, call) in calls.iter().enumerate() {
            eprintln!("{fate:?} at call {at}, {call}");
            let (mill, batch) = (Mill::new(), batch());
            mill.queues().put(&batch).unwrap();
            let hazard = Hazard::new(fate, at);
            survives(|| {
                drop({
                    let shell = mill.start_with(&hazard);
                    let claimed = claim_all(&shell, STAGE);
                    assert_eq!(claimed.len(), 3);
                    shell.carry(&stage(), claimed)
                })
            });
            assert_eq!(hazard.struck(), Some(*call));
            let shell = mill.start();
            work_off(&shell, &stage());
            check(&shell, &batch);
        }
    }
}

#[test]
fn an_entry_that_cannot_be_written_stands_in_nobodys_way() {
    let mill = Mill::new();
    let (good, bad) = (post(), entry(STAGE));
    let stage = Fake::deciding(|entry| {
        let mut left = entry.derive("moderation", 0, Queue::Pending);
        if entry.envelope.sender.is_empty() {
            left.other.insert("queue".to_owned(), "a known name for an unknown key".into());
        }
        vec![Disposition::Forward { entry: left, reason: "a test".to_owned() }]
    });
    let shell = mill.start();
    shell.queues.put(&[bad.clone(), good.clone()]).unwrap();
    let carried = shell.carry(&stage, claim_all(&shell, STAGE));
    assert_eq!(carried, [Carried::Shunted, Carried::Done]);
    assert_eq!(waiting(&shell, Queue::Pending), [good.id.derive("moderation", 0)]);
    assert_eq!(there(&shell, STAGE, State::Shunted), [bad]);
}

/// Each adds one to the topics of bob, of those that it has seen: of entries in one hand one is applied in each round.
#[test]
fn entries_that_change_the_same_thing_get_there_one_after_the_other() {
    let mill = Mill::new();
    let stage = Fake::new(|_, view, _| {
        let Some(was) = view.member(&dev(), &bob())? else {
            return Ok(vec![Disposition::Change(add_bob())]);
        };
        let mut member = was.clone();
        member.name.push('x');
        Ok(vec![Disposition::Change(StoreChange::UpdateMember { list: dev(), was: Box::new(was), member })])
    });
    let entries: Vec<Entry> = (0..16).map(|_| entry(STAGE)).collect();
    let shell = mill.start();
    shell.queues.put(&entries).unwrap();
    let carried = shell.carry(&stage, claim_all(&shell, STAGE));
    assert_eq!(carried, vec![Carried::Done; 16]);
    let bob = shell.store.as_ref().unwrap().member(&dev(), &bob()).unwrap().unwrap();
    assert_eq!(bob.name, "x".repeat(15));
}
