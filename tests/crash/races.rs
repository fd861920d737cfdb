//! Row E5: somebody else has changed the world between a decision and its commit. The store refuses, and the stage decides again with what it sees then.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use listmill_core::{Disposition, StoreChange, Verdict};
use listmill_queue_format::{Entry, EntryId, Queue};
use listmill_runner::{Carried, Shell};

use crate::fake::{Fake, add_bob, bob, dev, forward, hold};
use crate::mill::{Mill, apply, assert_settled, carry_one, effects, entry, fresh_id, waiting};

/// How often the stages of a test have decided.
type Decisions = Arc<AtomicUsize>;

/// A stage that looks, and in its first two decisions acts when both entries have been looked at.
fn racing(
    decisions: &Decisions,
    look: impl Fn(&Entry, &dyn listmill_core::StoreView) -> Option<StoreChange> + Send + Sync + 'static,
) -> Arc<Fake> {
    let (decisions, both) = (Arc::clone(decisions), Barrier::new(2));
    Arc::new(Fake::new(move |entry, view, _| {
        let change = look(entry, view);
        if decisions.fetch_add(1, Ordering::SeqCst) < 2 {
            both.wait();
        }
        Ok(match change {
            Some(change) => vec![Disposition::Change(change), forward(entry, 0, Queue::Pending)],
            None => vec![Disposition::Discard { reason: "somebody was faster".to_owned() }],
        })
    }))
}

/// Two runners carry out one entry each, at the same time.
fn race(shell: &Shell, stage: &Arc<Fake>) -> [EntryId; 2] {
    let entries = [entry(Queue::Moderation), entry(Queue::Moderation)];
    shell.queues.put(&entries).unwrap();
    let runner = || {
        let (shell, stage) = (shell.clone(), Arc::clone(stage));
        std::thread::spawn(move || carry_one(&shell, &*stage))
    };
    for thread in [runner(), runner()] {
        assert_eq!(thread.join().unwrap(), Carried::Done);
    }
    entries.map(|entry| entry.id)
}

/// One of the two has won, the other has decided twice.
fn assert_one_effect(shell: &Shell, entries: [EntryId; 2], decisions: &Decisions) {
    assert_eq!(decisions.load(Ordering::SeqCst), 3);
    assert_settled(shell, Queue::Moderation);
    let winners: Vec<_> = entries.into_iter().filter(|id| effects(shell, *id) == 1).collect();
    assert_eq!(winners.len(), 1);
    assert_eq!(waiting(shell, Queue::Pending), [winners[0].derive("moderation", 0)]);
}

#[test]
fn two_runners_add_the_same_member() {
    let mill = Mill::new();
    let shell = mill.start();
    let decisions = Decisions::default();
    let stage = racing(&decisions, |_, view| match view.member(&dev(), &bob()).unwrap() {
        None => Some(add_bob()),
        Some(_) => None,
    });
    let entries = race(&shell, &stage);
    assert_one_effect(&shell, entries, &decisions);
    assert_eq!(shell.store.unwrap().member_count(&dev()), Ok(1));
}

#[test]
fn two_moderators_decide_about_the_same_held_post() {
    let mill = Mill::new();
    let shell = mill.start();
    let post = entry(Queue::Moderation);
    shell.queues.put(std::slice::from_ref(&post)).unwrap();
    carry_one(&shell, &Fake::new(|entry, _, cx| Ok(vec![hold(entry, cx)])));
    let decisions = Decisions::default();
    let stage = racing(&decisions, |_, view| {
        let held = view.held(&dev(), None, 1).unwrap().pop()?;
        Some(StoreChange::Unhold { list: dev(), id: held.id, verdict: Verdict::Accept, by: String::new() })
    });
    let entries = race(&shell, &stage);
    assert_one_effect(&shell, entries, &decisions);
    assert_eq!(shell.store.unwrap().held(&dev(), None, 9), Ok(vec![]));
}

/// An operator is faster each time, seven times; then nobody comes between.
#[test]
fn a_decision_is_made_again_as_long_as_the_world_changes() {
    let mill = Mill::new();
    let shell = mill.start();
    let (store, decisions) = (Arc::clone(shell.store.as_ref().unwrap()), Decisions::default());
    let counted = Arc::clone(&decisions);
    let stage = Fake::new(move |entry, view, _| {
        let is_member = view.member(&dev(), &bob())?.is_some();
        let remove = StoreChange::RemoveMember { list: dev(), address: bob() };
        let (mine, theirs) = if is_member { (remove.clone(), remove) } else { (add_bob(), add_bob()) };
        if counted.fetch_add(1, Ordering::SeqCst) < 7 {
            apply(&*store, fresh_id(), vec![theirs]);
        }
        Ok(vec![Disposition::Change(mine), forward(entry, 0, Queue::Pending)])
    });
    let entry = entry(Queue::Moderation);
    shell.queues.put(std::slice::from_ref(&entry)).unwrap();
    assert_eq!(carry_one(&shell, &stage), Carried::Done);
    assert_eq!(decisions.load(Ordering::SeqCst), 8);
    assert_eq!(effects(&shell, entry.id), 1);
    assert_eq!(waiting(&shell, Queue::Pending), [entry.id.derive("moderation", 0)]);
    assert_eq!(shell.store.unwrap().member(&dev(), &bob()), Ok(None), "the eighth was to remove him");
}
