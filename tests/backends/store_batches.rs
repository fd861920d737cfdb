//! What every store promises for a batch: whole or not at all, once, on record, and its outgoing entries kept.

use std::sync::atomic::{AtomicU64, Ordering};

use listmill_core::{BanScope, Commit, CommitError, Committed, MessageFile, Refusal, Role, StoreChange, Timestamp};

use crate::store_conformance::{
    Make, add, address, addresses, apply, ban, batch, create, dev, hold, list, member, plain, remove, set, unhold,
    whole_roster, with_roles,
};

pub(crate) fn a_batch_whose_last_change_is_refused_changes_nothing(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    apply(store, vec![create(&dev()), add(&dev(), member("bob@example.net")), hold(&dev(), "s", vec![b'x'; 9000])]);
    let audit = store.audit(None, 99).unwrap();
    let mut refused = batch(vec![
        create(&list("new@lists.example.org")),
        set(&dev(), "archive", Some("off")),
        add(&dev(), with_roles("alice@example.org", "owner")),
        remove(&dev(), "bob@example.net"),
        hold(&dev(), "t", vec![b'y'; 9000]),
        unhold(&dev(), 1),
        ban("site", "@example.com", ""),
        remove(&dev(), "nobody@example.net"),
    ]);
    refused.outgoing = vec![MessageFile(vec![b'o'; 9000]), MessageFile(b"short".to_vec())];
    assert!(matches!(store.commit(&refused), Err(CommitError::Refused(Refusal::NoMember { .. }))));

    assert_eq!(store.list(&list("new@lists.example.org")), Ok(None));
    assert!(store.list(&dev()).unwrap().unwrap().own.is_empty());
    assert_eq!(addresses(&whole_roster(store, &dev(), 9)), ["bob@example.net"]);
    assert_eq!((store.staff(&dev(), Role::Owner).unwrap(), store.member_count(&dev()).unwrap()), (vec![], 1));
    assert_eq!(store.held(&dev(), None, 9).unwrap().len(), 1);
    assert_eq!(store.held_entry(&dev(), 1).unwrap().unwrap().1, MessageFile(vec![b'x'; 9000]));
    assert_eq!(store.bans(&BanScope::Site), Ok(vec![]));
    assert_eq!((store.outbox(9), store.audit(None, 99)), (Ok(vec![]), Ok(audit)));

    // A list that is gone is gone for what comes after, also in the batch that has changed it a moment ago.
    let hold_another = || hold(&dev(), "u", vec![b'z'; 9]);
    let too_late = batch(vec![hold_another(), StoreChange::RemoveList { list: dev() }, hold_another()]);
    assert_eq!(store.commit(&too_late), Err(CommitError::Refused(Refusal::NoList(dev()))));
    assert_eq!(store.held(&dev(), None, 9).unwrap().len(), 1);

    // The id was not applied: the shell decides again, and commits another batch under it.
    let again = Commit { changes: vec![remove(&dev(), "bob@example.net")], ..refused };
    assert_eq!(store.commit(&again), Ok(Committed::Now));
    assert_eq!(store.outbox(9), Ok(vec![(again.id, again.outgoing)]));
}

pub(crate) fn each_change_of_a_batch_sees_those_before_it(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    apply(
        store,
        vec![
            create(&dev()),
            add(&dev(), member("bob@example.net")),
            remove(&dev(), "bob@example.net"),
            add(&dev(), with_roles("bob@example.net", "owner")),
            hold(&dev(), "one", b"1".to_vec()),
            hold(&dev(), "two", b"2".to_vec()),
            unhold(&dev(), 1),
            ban("site", "@example.com", "one"),
            ban("site", "@example.com", "two"),
            StoreChange::RemoveList { list: dev() },
            create(&dev()),
            add(&dev(), member("bob@example.net")),
            hold(&dev(), "three", b"3".to_vec()),
        ],
    );
    assert_eq!(store.staff(&dev(), Role::Owner), Ok(vec![]));
    assert_eq!(store.member_count(&dev()), Ok(1));
    let held = store.held(&dev(), None, 9).unwrap();
    assert_eq!(held.iter().map(|post| (post.id, post.subject.as_str())).collect::<Vec<_>>(), [(1, "three")]);
    assert_eq!(store.held_entry(&dev(), 1).unwrap().unwrap().1, MessageFile(b"3".to_vec()));
    assert_eq!(store.bans(&BanScope::Site).unwrap()[0].reason, "two");
}

pub(crate) fn a_batch_applied_twice_changes_nothing_and_gives_back_the_outbox(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    let mut commit = batch(vec![create(&dev()), hold(&dev(), "s", b"x".to_vec())]);
    commit.outgoing = vec![MessageFile(b"first".to_vec()), MessageFile(vec![0; 70_000]), MessageFile(vec![])];
    assert_eq!(store.applied(commit.id), Ok(None));
    assert_eq!(store.commit(&commit), Ok(Committed::Now));
    for _ in 0..2 {
        assert_eq!(store.commit(&commit), Ok(Committed::Before(commit.outgoing.clone())));
        assert_eq!(store.applied(commit.id), Ok(Some(commit.outgoing.clone())));
    }
    assert_eq!(store.held(&dev(), None, 9).unwrap().len(), 1);
    assert_eq!(store.audit(None, 9).unwrap().len(), 1);
    store.outbox_done(commit.id).unwrap();
    assert_eq!(store.commit(&commit), Ok(Committed::Before(vec![])), "known as applied, with nothing left to send");
    assert_eq!(store.applied(commit.id), Ok(Some(vec![])));
}

pub(crate) fn of_several_batches_each_is_applied_or_refused_for_itself(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    apply(store, vec![create(&dev())]);
    let mut first = batch(vec![add(&dev(), member("bob@example.net"))]);
    first.outgoing = vec![MessageFile(b"welcome".to_vec()), MessageFile(vec![b'o'; 70_000])];
    let mut refused = batch(vec![add(&dev(), member("carol@example.net")), add(&dev(), member("bob@example.net"))]);
    refused.outgoing = vec![MessageFile(vec![b'r'; 9_000])];
    let last = batch(vec![remove(&dev(), "bob@example.net"), add(&dev(), member("dora@example.net"))]);
    let answers = store.commit_all(&[first.clone(), refused.clone(), first.clone(), last.clone()]);
    let [Ok(Committed::Now), Err(CommitError::Refused(_)), Ok(Committed::Before(left)), Ok(Committed::Now)] =
        &answers[..]
    else {
        panic!("{answers:?}");
    };
    assert_eq!(*left, first.outgoing, "the second time it is a repeat, though both came at once");
    assert_eq!(addresses(&whole_roster(store, &dev(), 9)), ["dora@example.net"]);
    assert_eq!(store.applied(refused.id), Ok(None));
    let kept: Vec<_> = store.outbox(9).unwrap().into_iter().map(|(id, _)| id).collect();
    assert_eq!(kept, [first.id]);
    assert_eq!(store.commit_all(&[last, refused]).len(), 2);
    assert_eq!(store.commit_all(&[]), []);
}

pub(crate) fn the_outbox_is_kept_until_done(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    apply(store, vec![create(&dev())]);
    let commits: Vec<Commit> = (0..120)
        .map(|n| {
            let changes = vec![add(&dev(), member(&format!("m{n}@example.net")))];
            let outgoing = (0..n % 4).map(|k| MessageFile(format!("entry {n}.{k}").into_bytes())).collect();
            Commit { outgoing, ..batch(changes) }
        })
        .collect();
    for commit in &commits {
        assert_eq!(store.commit(commit), Ok(Committed::Now));
    }
    let with_outgoing: Vec<_> = commits.iter().filter(|commit| !commit.outgoing.is_empty()).collect();
    let expected: Vec<_> = with_outgoing.iter().map(|commit| (commit.id, commit.outgoing.clone())).collect();
    assert_eq!(store.outbox(1000).unwrap(), expected, "oldest first");
    assert_eq!(store.outbox(7).unwrap(), expected[..7]);
    assert_eq!(store.figures().unwrap().outbox, 90);
    for commit in with_outgoing.iter().skip(1) {
        store.outbox_done(commit.id).unwrap();
        store.outbox_done(commit.id).unwrap();
    }
    assert_eq!(store.outbox(1000).unwrap(), expected[..1]);

    let without_changes = Commit { outgoing: vec![MessageFile(b"x".to_vec())], ..batch(vec![]) };
    assert_eq!(store.commit(&without_changes), Ok(Committed::Now));
    assert_eq!(store.outbox(1000).unwrap().len(), 2);
    assert_eq!(store.audit(Some(121), 9), Ok(vec![]), "where nothing changes there is nothing to record");
}

pub(crate) fn long_outgoing_entries_come_back_byte_for_byte(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    let bytes = |length: usize| (0..length).map(|at| (at * 31 % 251) as u8).collect::<Vec<_>>();
    let lengths = [0, 1, 2047, 2048, 2049, 4096, 4097, 130_000, 3_000_000];
    let commit = Commit {
        outgoing: lengths.into_iter().map(|length| MessageFile(bytes(length))).collect(),
        ..batch(vec![create(&dev())])
    };
    assert_eq!(store.commit(&commit), Ok(Committed::Now));
    assert_eq!(store.outbox(9).unwrap(), [(commit.id, commit.outgoing.clone())]);
    let before = made.disk_bytes();
    store.outbox_done(commit.id).unwrap();
    assert!(made.disk_bytes() < before, "what is done takes no room");
}

pub(crate) fn the_audit_log_says_who_when_why_and_by_which_entry(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    apply(store, vec![create(&dev())]);
    let commit = Commit {
        by: "command".to_owned(),
        why: "asked by bob".to_owned(),
        at: Timestamp::from_second(1_764_000_123).unwrap(),
        ..batch(vec![add(&dev(), member("bob@example.net")), remove(&dev(), "bob@example.net")])
    };
    assert_eq!(store.commit(&commit), Ok(Committed::Now));
    let audit = store.audit(Some(1), 9).unwrap();
    let [(2, record)] = audit.as_slice() else { panic!("{audit:?}") };
    assert_eq!((record.at, &record.by, &record.why, record.entry), (commit.at, &commit.by, &commit.why, commit.id));
    assert_eq!(record.what, commit.changes.iter().map(ToString::to_string).collect::<Vec<_>>());
    for n in 0..200 {
        apply(store, vec![set(&dev(), "max_recipients", Some(&n.to_string()))]);
    }
    let numbers: Vec<u64> = store.audit(Some(100), 70).unwrap().into_iter().map(|(number, _)| number).collect();
    assert_eq!(numbers, (101..=170).collect::<Vec<_>>());
    assert_eq!(store.audit(Some(202), 9), Ok(vec![]));
}

pub(crate) fn committers_at_the_same_time_all_get_in(make: &Make) {
    let made = plain(make);
    let store = made.store.clone();
    apply(&*store, vec![create(&dev())]);
    let same = batch(vec![add(&dev(), member("same@example.net"))]);
    let first = AtomicU64::new(0);
    std::thread::scope(|threads| {
        for thread in 0..8 {
            let (store, same, first) = (&store, &same, &first);
            threads.spawn(move || {
                if store.commit(same).unwrap() == Committed::Now {
                    first.fetch_add(1, Ordering::SeqCst);
                }
                for n in 0..25 {
                    apply(&**store, vec![add(&dev(), member(&format!("t{thread}n{n}@example.net")))]);
                    assert!(store.member(&dev(), &address(&format!("t{thread}n{n}@example.net"))).unwrap().is_some());
                }
            });
        }
    });
    assert_eq!(first.into_inner(), 1, "one of those who commit the same batch is the first");
    assert_eq!(store.member_count(&dev()), Ok(201));
    let numbers: Vec<u64> = store.audit(None, 999).unwrap().into_iter().map(|(number, _)| number).collect();
    assert_eq!(numbers, (1..=202).collect::<Vec<_>>(), "one record for each batch, without a gap");
}
