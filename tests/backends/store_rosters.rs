//! What every store does with the people on a list.

use std::sync::atomic::{AtomicBool, Ordering};

use listmill_core::{Member, Refusal, Role, Roles, StoreChange};

use crate::store_conformance::{
    Make, add, address, addresses, apply, create, dev, list, member, plain, refused, remove, update, whole_roster,
    with_roles,
};

pub(crate) fn members_join_change_and_leave(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    let bob = member("bob@example.net");
    apply(store, vec![create(&dev()), add(&dev(), bob.clone())]);
    assert_eq!(store.member(&dev(), &bob.address), Ok(Some(bob.clone())));
    let exists = Refusal::MemberExists { list: dev(), address: bob.address.clone() };
    assert_eq!(refused(store, add(&dev(), bob.clone())), exists);

    let changed = Member { delivery: "off".parse().unwrap(), ..bob.clone() };
    apply(store, vec![update(store, &dev(), changed.clone())]);
    assert_eq!(store.member(&dev(), &bob.address), Ok(Some(changed)));
    let nobody = Refusal::NoMember { list: dev(), address: address("al@example.net") };
    assert_eq!(refused(store, update(store, &dev(), member("al@example.net"))), nobody);
    assert_eq!(refused(store, remove(&dev(), "al@example.net")), nobody);

    apply(store, vec![remove(&dev(), "bob@example.net")]);
    assert_eq!(store.member(&dev(), &bob.address), Ok(None));
    assert_eq!(store.member_count(&dev()), Ok(0));
}

pub(crate) fn a_record_that_has_changed_meanwhile_is_not_replaced(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    let first = member("bob@example.net");
    let renamed = Member { name: "Bob".to_owned(), ..first.clone() };
    let off = Member { delivery: "off".parse().unwrap(), ..first.clone() };
    let replace = |was: &Member, member: &Member| StoreChange::UpdateMember {
        list: dev(),
        was: Box::new(was.clone()),
        member: member.clone(),
    };
    apply(store, vec![create(&dev()), add(&dev(), first.clone()), replace(&first, &renamed)]);
    let changed = Refusal::MemberChanged { list: dev(), address: first.address.clone() };
    assert_eq!(refused(store, replace(&first, &off)), changed, "who has read before the name was there");
    assert_eq!(store.member(&dev(), &first.address), Ok(Some(renamed.clone())));
    apply(store, vec![replace(&renamed, &off), replace(&off, &renamed)]);
    assert_eq!(store.member(&dev(), &first.address), Ok(Some(renamed)));
}

pub(crate) fn names_that_differ_only_in_case_are_one_person(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    apply(store, vec![create(&dev()), add(&dev(), member("Bob@Example.net"))]);
    let found = store.member(&dev(), &address("bOB@example.NET")).unwrap().unwrap();
    assert_eq!(found.address.as_str(), "Bob@example.net", "as it was written");
    assert!(matches!(refused(store, add(&dev(), member("bob@example.net"))), Refusal::MemberExists { .. }));
    apply(store, vec![StoreChange::ImportMembers { list: dev(), members: vec![member("BOB@example.net")] }]);
    assert_eq!(addresses(&whole_roster(store, &dev(), 9)), ["Bob@example.net"]);

    apply(store, vec![update(store, &dev(), member("bob@example.net"))]);
    assert_eq!(addresses(&whole_roster(store, &dev(), 9)), ["bob@example.net"], "the new record's spelling");
    apply(store, vec![remove(&dev(), "BOB@EXAMPLE.NET")]);
    assert_eq!(whole_roster(store, &dev(), 9), []);

    let folded = list("DEV@Lists.Example.org");
    assert!(store.list(&folded).unwrap().is_some());
}

pub(crate) fn a_member_keeps_every_field(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    let full = Member {
        address: address("\"o'brien, b\"@example.net"),
        name: "Bj\u{f6}rn \"B\" <x@y> \u{1f600}".to_owned(),
        roles: "moderator+owner".parse().unwrap(),
        delivery: "off:bounces".parse().unwrap(),
        moderation: "reject".parse().unwrap(),
        language: Some("pt-BR".to_owned()),
        preferences: "ack=on duplicates=off".parse().unwrap(),
        resumes: Some(1_800_000_000),
        joined: -1,
    };
    let international = member("\u{fc}ser@b\u{fc}cher.example");
    apply(store, vec![create(&dev()), add(&dev(), full.clone()), add(&dev(), international.clone())]);
    assert_eq!(store.member(&dev(), &full.address), Ok(Some(full.clone())));
    assert_eq!(store.member(&dev(), &international.address), Ok(Some(international)));
    assert_eq!(store.staff(&dev(), Role::Moderator), Ok(vec![full]));
}

pub(crate) fn staff_and_counts_follow_the_roles(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    apply(
        store,
        vec![
            create(&dev()),
            add(&dev(), with_roles("alice@example.org", "owner")),
            add(&dev(), with_roles("bob@example.net", "member+moderator")),
            StoreChange::ImportMembers {
                list: dev(),
                members: vec![with_roles("carol@example.net", "member+owner"), member("dave@example.net")],
            },
        ],
    );
    let staff = |role| {
        let found = store.staff(&dev(), role).unwrap();
        found.iter().map(|member| member.address.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(staff(Role::Owner), ["alice@example.org", "carol@example.net"]);
    assert_eq!(staff(Role::Moderator), ["bob@example.net"]);
    assert_eq!(store.member_count(&dev()), Ok(3), "an owner who is not a member is not counted");

    apply(
        store,
        vec![
            update(store, &dev(), with_roles("alice@example.org", "member+owner")),
            update(store, &dev(), with_roles("bob@example.net", "moderator")),
            update(store, &dev(), member("carol@example.net")),
            update(store, &dev(), Member { roles: Roles::NONE, ..member("dave@example.net") }),
        ],
    );
    assert_eq!(
        (staff(Role::Owner), staff(Role::Moderator)),
        (vec!["alice@example.org".to_owned()], vec!["bob@example.net".to_owned()])
    );
    assert_eq!(store.member_count(&dev()), Ok(2));
    apply(store, vec![remove(&dev(), "alice@example.org"), remove(&dev(), "bob@example.net")]);
    assert_eq!((staff(Role::Owner), staff(Role::Moderator)), (vec![], vec![]));
    assert_eq!(store.member_count(&dev()), Ok(1));
    assert_eq!(store.figures().unwrap().people, 2, "carol, and dave who has no role");
}

pub(crate) fn an_import_leaves_who_is_there_and_counts_each_once(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    let owner = with_roles("m050@example.net", "owner");
    apply(store, vec![create(&dev()), add(&dev(), owner.clone())]);
    let mut members: Vec<Member> = (0..100).map(|n| member(&format!("m{n:03}@example.net"))).collect();
    members.reverse();
    members.push(Member { name: "too late".to_owned(), ..member("M001@example.net") });
    apply(store, vec![StoreChange::ImportMembers { list: dev(), members: members.clone() }]);
    apply(store, vec![StoreChange::ImportMembers { list: dev(), members }]);
    let roster = whole_roster(store, &dev(), 13);
    assert_eq!(roster.len(), 100);
    assert!(roster.is_sorted_by(|a, b| a.address < b.address));
    assert_eq!(roster[50], owner, "who is on the list stays as they are");
    assert_eq!(roster[1].name, "", "of those who are there twice, the first counts");
    assert_eq!(store.member_count(&dev()), Ok(99));
    apply(store, vec![StoreChange::ImportMembers { list: dev(), members: vec![] }]);
}

pub(crate) fn a_hundred_thousand_members(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    apply(store, vec![create(&dev())]);
    let name = |n: usize| format!("user{n:06}@example.net");
    for part in 0..10 {
        let members = (part * 10_000..(part + 1) * 10_000).map(|n| member(&name(n))).collect();
        apply(store, vec![StoreChange::ImportMembers { list: dev(), members }]);
    }
    assert_eq!(store.member_count(&dev()), Ok(100_000));
    assert_eq!(store.figures().unwrap().people, 100_000);
    let roster = whole_roster(store, &dev(), 5_000);
    assert!(roster.iter().enumerate().all(|(n, member)| member.address.as_str() == name(n)));
    assert_eq!(roster.len(), 100_000);
    assert!(store.member(&dev(), &address(&name(77_777))).unwrap().is_some());
    apply(store, vec![StoreChange::RemoveList { list: dev() }]);
    assert_eq!((store.roster(&dev(), None, 9).unwrap(), store.member_count(&dev()).unwrap()), (vec![], 0));
}

pub(crate) fn a_roster_is_read_in_pages_while_people_come_and_go(make: &Make) {
    let made = plain(make);
    let store = made.store.clone();
    // Every third stays; the others come and go, so that blocks are split and joined under the reader.
    let name = |n: usize| format!("m{n:04}@example.net");
    let stay: Vec<String> = (0..1500).step_by(3).map(name).collect();
    let members = (0..1500).map(|n| member(&name(n))).collect();
    apply(&*store, vec![create(&dev()), StoreChange::ImportMembers { list: dev(), members }]);
    let done = AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let guests: Vec<usize> = (0..1500).filter(|n| n % 3 != 0).collect();
            for round in 0.. {
                for part in guests.chunks(200) {
                    if done.load(Ordering::SeqCst) {
                        return;
                    }
                    let change = |n: &usize| match round % 2 {
                        0 => remove(&dev(), &name(*n)),
                        _ => add(&dev(), member(&name(*n))),
                    };
                    apply(&*store, part.iter().map(change).collect());
                }
            }
        });
        for page in [1, 10, 50, 63, 64, 200, 1000, 5000].repeat(2) {
            let roster = whole_roster(&*store, &dev(), page);
            assert!(roster.is_sorted_by(|a, b| a.address < b.address), "doubled, in pages of {page}");
            let found = roster.iter().map(|member| member.address.as_str());
            let found: Vec<_> = found.filter(|found| stay.iter().any(|stays| stays == found)).collect();
            assert_eq!(found, stay, "skipped, in pages of {page}");
        }
        done.store(true, Ordering::SeqCst);
    });
    let here = whole_roster(&*store, &dev(), 77).len() as u64;
    assert_eq!(store.member_count(&dev()), Ok(here), "the count is exact");
}
