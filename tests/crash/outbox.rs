//! Row E6: what a process that died has left in the outbox is sent by those that live, and nothing is sent that its own runner is about to send.

use std::collections::{BTreeMap, HashSet};

use listmill_core::{Commit, Disposition, MessageFile, StoreChange, Timestamp};
use listmill_queue_format::{Entry, EntryId, Queue, encode};
use listmill_runner::{Carried, Shell};

use crate::breaking::Hazard;
use crate::fake::{Fake, add_bob, forward};
use crate::mill::{Mill, assert_settled, carry_one, effects, entry, fresh_id, hazardous, shell, waiting};

/// What an administration command does before it dies: its change is made, and its entries are nowhere but in the outbox.
fn command_dies(shell: &Shell, outgoing: &[Entry]) -> EntryId {
    let id = fresh_id();
    let list = format!("list-{id}@lists.example.org").parse().unwrap();
    let commit = Commit {
        id,
        at: Timestamp::now(),
        by: "operator".to_owned(),
        why: "a test".to_owned(),
        changes: vec![StoreChange::CreateList { list, own: BTreeMap::new() }],
        outgoing: outgoing.iter().map(|entry| MessageFile(encode(entry).unwrap())).collect(),
    };
    shell.store.as_ref().unwrap().commit(&commit).unwrap();
    id
}

fn outbox(shell: &Shell) -> usize {
    shell.store.as_ref().unwrap().outbox(1000).unwrap().len()
}

#[test]
fn what_a_command_left_is_sent_by_the_second_sweep() {
    let mill = Mill::new();
    let shell = mill.start();
    let left = [entry(Queue::Pending), entry(Queue::Outbound)];
    let id = command_dies(&shell, &left);
    let seen = shell.sweep(&HashSet::new()).unwrap();
    assert_eq!(seen, HashSet::from([id]));
    assert_eq!((outbox(&shell), waiting(&shell, Queue::Pending).len()), (1, 0), "its writer may live");
    let newer = command_dies(&shell, &[entry(Queue::Pending)]);
    assert_eq!(shell.sweep(&seen).unwrap(), HashSet::from([newer]));
    assert_eq!(waiting(&shell, Queue::Pending), [left[0].id]);
    assert_eq!(waiting(&shell, Queue::Outbound), [left[1].id]);
    assert_eq!(outbox(&shell), 1);
}

#[test]
fn a_start_sends_all_that_there_is_before_anything_else() {
    let mill = Mill::new();
    let before = mill.start();
    let left: Vec<Entry> = (0..120).map(|_| entry(Queue::Pending)).collect();
    for entry in &left {
        command_dies(&before, std::slice::from_ref(entry));
    }
    drop(before);
    let after = shell(mill.queues(), Some(mill.store()));
    assert_eq!(after.empty_outbox(), Ok(120));
    assert_eq!(after.empty_outbox(), Ok(0));
    assert_eq!(after.queues.status(Queue::Pending).unwrap().depth, 120);
}

/// So many sweeps come between a runner's commit and its put. It has put what it had to, and so have they, if they saw the record twice.
fn sweeps_in_between(sweeps: usize) {
    let mill = Mill::new();
    let shell = mill.start();
    let sweeping = shell.clone();
    let hazard = Hazard::late(1, move || {
        let mut seen = HashSet::new();
        for _ in 0..sweeps {
            seen = sweeping.sweep(&seen).unwrap();
        }
        let sent = waiting(&sweeping, Queue::Pending).len();
        assert_eq!(sent, usize::from(sweeps > 1), "after {sweeps} sweeps");
    });
    let entry = entry(Queue::Moderation);
    shell.queues.put(std::slice::from_ref(&entry)).unwrap();
    let stage = Fake::deciding(|entry| vec![Disposition::Change(add_bob()), forward(entry, 0, Queue::Pending)]);
    assert_eq!(carry_one(&hazardous(&shell, &hazard), &stage), Carried::Done);
    assert_eq!(hazard.struck(), Some("put"));
    assert_settled(&shell, Queue::Moderation);
    assert_eq!(effects(&shell, entry.id), 1);
    assert_eq!(waiting(&shell, Queue::Pending), [entry.id.derive("moderation", 0)]);
}

#[test]
fn what_a_runner_is_about_to_send_is_left_to_it() {
    sweeps_in_between(1);
}

#[test]
fn what_is_sent_by_a_sweep_and_by_its_runner_is_there_once() {
    sweeps_in_between(2);
}
