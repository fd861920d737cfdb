//! What every store does, whichever backend it has: one suite, called once for each.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use listmill_core::settings::Cascade;
use listmill_core::{
    Address, Ban, BanScope, Commit, CommitError, Committed, Delivery, HeldPost, ListAddress, Member, MessageFile,
    Moderation, Refusal, Role, Roles, StoreChange, Timestamp,
};
use listmill_queue_format::EntryId;
use listmill_store::Store;

/// A store of its own for one test, and what must live as long as it.
pub(crate) struct Made {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) _keep: Box<dyn Any>,
}

/// Calls the whole suite for one backend: a module of tests, each with a store of its own.
macro_rules! exercise {
    ($backend:ident, $make:path) => {
        mod $backend {
            $crate::store_conformance::exercise!(@tests $make;
                what_is_not_there,
                a_list_is_created_changed_and_removed,
                a_setting_that_cannot_be_is_refused_with_its_name,
                settings_cascade_and_a_bad_site_value_is_a_clear_reason,
                lists_come_in_pages,
                members_join_change_and_leave,
                names_that_differ_only_in_case_are_one_person,
                a_member_keeps_every_field,
                staff_and_counts_follow_the_roles,
                a_batch_whose_last_change_is_refused_changes_nothing,
                each_change_of_a_batch_sees_those_before_it,
                a_batch_applied_twice_changes_nothing_and_gives_back_the_outbox,
                the_outbox_is_kept_until_done,
                long_outgoing_entries_come_back_byte_for_byte,
                an_import_leaves_who_is_there_and_counts_each_once,
                a_hundred_thousand_members,
                a_roster_is_read_in_pages_while_people_come_and_go,
                held_posts_have_numbers_of_their_own_on_each_list,
                long_held_posts_come_back_and_go,
                bans_hit_addresses_domains_and_subdomains,
                a_removed_list_leaves_nothing_behind,
                a_list_without_members_is_a_list,
                the_audit_log_says_who_when_why_and_by_which_entry,
                long_texts_are_kept_whole,
                committers_at_the_same_time_all_get_in,
                signing_keys_stay_the_same,
                figures_count
            );
        }
    };
    (@tests $make:path; $($case:ident),+) => {
        $(#[test] fn $case() { $crate::store_conformance::$case(&$make) })+
    };
}
pub(crate) use exercise;

type Make = dyn Fn(Cascade) -> Made;

fn plain(make: &Make) -> Made {
    make(Cascade::default())
}

pub(crate) fn list(text: &str) -> ListAddress {
    text.parse().unwrap()
}

fn dev() -> ListAddress {
    list("dev@lists.example.org")
}

pub(crate) fn address(text: &str) -> Address {
    text.parse().unwrap()
}

pub(crate) fn member(text: &str) -> Member {
    Member::new(address(text), 1_700_000_000)
}

fn with_roles(text: &str, roles: &str) -> Member {
    Member { roles: roles.parse().unwrap(), ..member(text) }
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(1_764_000_000).unwrap()
}

/// Another id each time, in ascending order.
pub(crate) fn fresh_id() -> EntryId {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut chance = [0; 10];
    chance[2..].copy_from_slice(&count.to_be_bytes());
    EntryId::fresh(now(), chance)
}

pub(crate) fn batch(changes: Vec<StoreChange>) -> Commit {
    Commit {
        id: fresh_id(),
        at: now(),
        by: "operator".to_owned(),
        why: "a test".to_owned(),
        changes,
        outgoing: Vec::new(),
    }
}

#[track_caller]
pub(crate) fn apply(store: &dyn Store, changes: Vec<StoreChange>) {
    assert_eq!(store.commit(&batch(changes)), Ok(Committed::Now));
}

#[track_caller]
fn refused(store: &dyn Store, change: StoreChange) -> Refusal {
    match store.commit(&batch(vec![change])) {
        Err(CommitError::Refused(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

pub(crate) fn create(list: &ListAddress) -> StoreChange {
    StoreChange::CreateList { list: list.clone(), own: BTreeMap::new() }
}

pub(crate) fn add(list: &ListAddress, member: Member) -> StoreChange {
    StoreChange::AddMember { list: list.clone(), member }
}

fn update(list: &ListAddress, member: Member) -> StoreChange {
    StoreChange::UpdateMember { list: list.clone(), member }
}

fn remove(list: &ListAddress, who: &str) -> StoreChange {
    StoreChange::RemoveMember { list: list.clone(), address: address(who) }
}

fn set(list: &ListAddress, key: &str, value: Option<&str>) -> StoreChange {
    StoreChange::Set { list: list.clone(), key: key.to_owned(), value: value.map(str::to_owned) }
}

fn hold(list: &ListAddress, subject: &str, bytes: Vec<u8>) -> StoreChange {
    let post = HeldPost {
        id: 0,
        list: list.clone(),
        entry: fresh_id(),
        author: "bob@example.net".to_owned(),
        subject: subject.to_owned(),
        message_id: "<1@example.net>".to_owned(),
        size: bytes.len() as u64,
        reasons: Vec::new(),
        since: now(),
        expires: now(),
    };
    StoreChange::Hold { post, file: MessageFile(bytes) }
}

fn unhold(list: &ListAddress, id: u64) -> StoreChange {
    StoreChange::Unhold { list: list.clone(), id, decision: "discard".to_owned() }
}

fn ban(scope: &str, pattern: &str, reason: &str) -> StoreChange {
    StoreChange::Ban(Ban {
        scope: scope.parse().unwrap(),
        pattern: pattern.parse().unwrap(),
        reason: reason.to_owned(),
        since: now(),
    })
}

fn layer(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn addresses(members: &[Member]) -> Vec<&str> {
    members.iter().map(|member| member.address.as_str()).collect()
}

/// The whole roster, read in pages.
pub(crate) fn whole_roster(store: &dyn Store, list: &ListAddress, page: usize) -> Vec<Member> {
    let mut all: Vec<Member> = Vec::new();
    loop {
        let next = store.roster(list, all.last().map(|member| &member.address), page).unwrap();
        assert!(next.len() <= page);
        let done = next.is_empty();
        all.extend(next);
        if done {
            return all;
        }
    }
}

pub(crate) fn what_is_not_there(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    let bob = address("bob@example.net");
    assert_eq!(store.list(&dev()), Ok(None));
    assert_eq!(store.lists(None, 9), Ok(vec![]));
    assert_eq!(store.member(&dev(), &bob), Ok(None));
    assert_eq!(store.roster(&dev(), None, 9), Ok(vec![]));
    assert_eq!(store.member_count(&dev()), Ok(0));
    assert_eq!(store.staff(&dev(), Role::Owner), Ok(vec![]));
    assert_eq!(store.held(&dev(), None, 9), Ok(vec![]));
    assert_eq!(store.held_entry(&dev(), 1), Ok(None));
    assert_eq!(store.banned(&dev(), &bob), Ok(None));
    assert_eq!(store.bans(&BanScope::Site), Ok(vec![]));
    assert_eq!(store.audit(None, 9), Ok(vec![]));
    assert_eq!(store.outbox(9), Ok(vec![]));
    assert_eq!(store.outbox_done(fresh_id()), Ok(()), "nothing to do is done");

    let no_list = Refusal::NoList(dev());
    let pattern = "bob@example.net".parse().unwrap();
    for change in [
        StoreChange::RemoveList { list: dev() },
        set(&dev(), "archive", Some("off")),
        add(&dev(), member("bob@example.net")),
        StoreChange::ImportMembers { list: dev(), members: vec![member("bob@example.net")] },
        update(&dev(), member("bob@example.net")),
        remove(&dev(), "bob@example.net"),
        hold(&dev(), "s", b"x".to_vec()),
        unhold(&dev(), 1),
        ban("dev@lists.example.org", "bob@example.net", ""),
    ] {
        let what = change.to_string();
        assert_eq!(refused(store, change), no_list, "{what}");
    }
    let unban = StoreChange::Unban { scope: BanScope::Site, pattern };
    assert!(matches!(refused(store, unban), Refusal::NoBan { .. }));
    assert_eq!(store.audit(None, 9), Ok(vec![]), "what is refused is not on record");
}

pub(crate) fn a_list_is_created_changed_and_removed(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    let own = layer(&[("description", "Development"), ("reply_to", "list")]);
    apply(store, vec![StoreChange::CreateList { list: dev(), own: own.clone() }]);
    let found = store.list(&dev()).unwrap().unwrap();
    assert_eq!((&found.address, found.created, &found.own), (&dev(), now(), &own));
    assert_eq!(found.settings.description, "Development");
    assert_eq!(refused(store, create(&dev())), Refusal::ListExists(dev()));
    assert_eq!(store.list(&dev()).unwrap().unwrap(), found, "a refused creation leaves the list as it was");

    apply(store, vec![set(&dev(), "description", Some("D")), set(&dev(), "reply_to", None)]);
    let found = store.list(&dev()).unwrap().unwrap();
    assert_eq!(found.own, layer(&[("description", "D")]));
    apply(store, vec![set(&dev(), "footer", None)]);

    apply(store, vec![StoreChange::RemoveList { list: dev() }]);
    assert_eq!(store.list(&dev()), Ok(None));
    assert_eq!(refused(store, StoreChange::RemoveList { list: dev() }), Refusal::NoList(dev()));
}

pub(crate) fn a_setting_that_cannot_be_is_refused_with_its_name(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    let wrong = StoreChange::CreateList { list: dev(), own: layer(&[("colour", "red")]) };
    let refusal = refused(store, wrong).to_string();
    assert!(refusal.contains("colour") && refusal.contains("dev@lists.example.org"), "{refusal}");
    assert_eq!(store.list(&dev()), Ok(None));
    apply(store, vec![create(&dev())]);
    let refusal = refused(store, set(&dev(), "member_action", Some("maybe"))).to_string();
    assert!(refusal.contains("member_action") && refusal.contains("maybe"), "{refusal}");
}

pub(crate) fn settings_cascade_and_a_bad_site_value_is_a_clear_reason(make: &Make) {
    let domains = [("lists.example.org".to_owned(), layer(&[("language", "fr"), ("reply_to", "list")]))].into();
    let made = make(Cascade { site: layer(&[("archive", "off"), ("language", "de")]), domains });
    let store = &*made.store;
    let other = list("dev@lists.example.com");
    apply(store, vec![create(&dev()), create(&other), set(&dev(), "reply_to", Some("author"))]);
    let found = store.list(&dev()).unwrap().unwrap().settings;
    assert_eq!(
        ["language", "reply_to", "archive", "member_action"].map(|key| found.get(key).unwrap()),
        ["fr", "author", "off", "accept"]
    );
    assert_eq!(store.list(&other).unwrap().unwrap().settings.language, "de");
    assert_eq!(store.lists(None, 9).unwrap()[1].settings, found, "a page of lists says the same");
    drop(made);

    let made = make(Cascade { site: layer(&[("archive", "perhaps")]), ..Cascade::default() });
    apply(&*made.store, vec![create(&dev())]);
    for reason in [made.store.list(&dev()).unwrap_err().reason, made.store.lists(None, 9).unwrap_err().reason] {
        for word in ["archive", "perhaps", "dev@lists.example.org"] {
            assert!(reason.contains(word), "{reason}");
        }
    }
}

pub(crate) fn lists_come_in_pages(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    let all: Vec<_> = (0..150).map(|n| list(&format!("l{n:03}@lists.example.org"))).collect();
    apply(store, all.iter().rev().map(create).collect());
    for page in [1, 7, 64, 1000] {
        let mut found: Vec<ListAddress> = Vec::new();
        while let Some(next) = Some(store.lists(found.last(), page).unwrap()).filter(|next| !next.is_empty()) {
            assert!(next.len() <= page);
            found.extend(next.into_iter().map(|list| list.address));
        }
        assert_eq!(found, all, "in pages of {page}");
    }
}

pub(crate) fn members_join_change_and_leave(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    let bob = member("bob@example.net");
    apply(store, vec![create(&dev()), add(&dev(), bob.clone())]);
    assert_eq!(store.member(&dev(), &bob.address), Ok(Some(bob.clone())));
    let exists = Refusal::MemberExists { list: dev(), address: bob.address.clone() };
    assert_eq!(refused(store, add(&dev(), bob.clone())), exists);

    let changed = Member { delivery: "off".parse().unwrap(), ..bob.clone() };
    apply(store, vec![update(&dev(), changed.clone())]);
    assert_eq!(store.member(&dev(), &bob.address), Ok(Some(changed)));
    let nobody = Refusal::NoMember { list: dev(), address: address("al@example.net") };
    assert_eq!(refused(store, update(&dev(), member("al@example.net"))), nobody);
    assert_eq!(refused(store, remove(&dev(), "al@example.net")), nobody);

    apply(store, vec![remove(&dev(), "bob@example.net")]);
    assert_eq!(store.member(&dev(), &bob.address), Ok(None));
    assert_eq!(store.member_count(&dev()), Ok(0));
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

    apply(store, vec![update(&dev(), member("bob@example.net"))]);
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
            update(&dev(), with_roles("alice@example.org", "member+owner")),
            update(&dev(), with_roles("bob@example.net", "moderator")),
            update(&dev(), member("carol@example.net")),
            update(&dev(), Member { roles: Roles::NONE, ..member("dave@example.net") }),
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
    assert_eq!(store.commit(&commit), Ok(Committed::Now));
    for _ in 0..2 {
        assert_eq!(store.commit(&commit), Ok(Committed::Before(commit.outgoing.clone())));
    }
    assert_eq!(store.held(&dev(), None, 9).unwrap().len(), 1);
    assert_eq!(store.audit(None, 9).unwrap().len(), 1);
    store.outbox_done(commit.id).unwrap();
    assert_eq!(store.commit(&commit), Ok(Committed::Before(vec![])), "known as applied, with nothing left to send");
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
    let before = store.figures().unwrap().disk_bytes;
    store.outbox_done(commit.id).unwrap();
    assert!(store.figures().unwrap().disk_bytes < before, "what is done takes no room");
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

pub(crate) fn held_posts_have_numbers_of_their_own_on_each_list(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    let other = list("other@lists.example.org");
    apply(store, vec![create(&dev()), create(&other)]);
    for n in 1..=100 {
        apply(store, vec![hold(&dev(), &format!("post {n}"), format!("bytes {n}").into_bytes())]);
    }
    apply(store, vec![hold(&other, "first", b"x".to_vec())]);
    assert_eq!(store.held(&other, None, 9).unwrap()[0].id, 1);
    let page = store.held(&dev(), Some(40), 30).unwrap();
    assert_eq!(page.iter().map(|post| post.id).collect::<Vec<_>>(), (41..=70).collect::<Vec<_>>());
    let (post, file) = store.held_entry(&dev(), 41).unwrap().unwrap();
    assert_eq!((post.subject.as_str(), file), ("post 41", MessageFile(b"bytes 41".to_vec())));

    apply(store, vec![unhold(&dev(), 41), unhold(&dev(), 100)]);
    assert_eq!(store.held_entry(&dev(), 41), Ok(None));
    assert_eq!(refused(store, unhold(&dev(), 41)), Refusal::NotHeld { list: dev(), id: 41 });
    apply(store, vec![hold(&dev(), "next", b"x".to_vec())]);
    assert_eq!(store.held(&dev(), Some(99), 9).unwrap()[0].id, 101, "a number is given once");
    assert_eq!(store.figures().unwrap().held, 100);
}

pub(crate) fn long_held_posts_come_back_and_go(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    let big = MessageFile((0..2_000_000_u32).map(|at| (at % 253) as u8).collect());
    apply(store, vec![create(&dev()), hold(&dev(), "big", big.0.clone()), hold(&dev(), "big too", big.0.clone())]);
    let full = store.figures().unwrap().disk_bytes;
    assert_eq!(store.held_entry(&dev(), 2).unwrap().unwrap().1, big);
    apply(store, vec![unhold(&dev(), 1)]);
    assert_eq!(store.held_entry(&dev(), 2).unwrap().unwrap().1, big);
    apply(store, vec![StoreChange::RemoveList { list: dev() }]);
    assert!(store.figures().unwrap().disk_bytes < full - 3_000_000, "what was decided takes no room");
}

pub(crate) fn bans_hit_addresses_domains_and_subdomains(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    let other = list("other@lists.example.org");
    apply(
        store,
        vec![
            create(&dev()),
            create(&other),
            ban("dev@lists.example.org", "Spam@example.net", "list address"),
            ban("dev@lists.example.org", "@one.example.net", "list domain"),
            ban("site", "@.example.com", "site and below"),
            ban("site", "spam@example.net", "site address"),
        ],
    );
    let hit = |list: &ListAddress, who: &str| store.banned(list, &address(who)).unwrap().map(|ban| ban.reason);
    assert_eq!(hit(&dev(), "sPAM@EXAMPLE.net").as_deref(), Some("list address"), "the list's own comes first");
    assert_eq!(hit(&other, "spam@example.net").as_deref(), Some("site address"));
    assert_eq!(hit(&dev(), "x@one.example.net").as_deref(), Some("list domain"));
    assert_eq!(hit(&dev(), "x@two.one.example.net"), None);
    assert_eq!(hit(&other, "x@one.example.net"), None);
    for who in ["x@example.com", "x@a.example.com", "x@b.a.example.com"] {
        assert_eq!(hit(&other, who).as_deref(), Some("site and below"), "{who}");
    }
    assert_eq!((hit(&other, "x@notexample.com"), hit(&other, "x@com")), (None, None));

    let bans = store.bans(&BanScope::List(dev())).unwrap();
    assert_eq!(
        bans.iter().map(|ban| ban.pattern.to_string()).collect::<Vec<_>>(),
        ["@one.example.net", "Spam@example.net"]
    );
    apply(store, vec![ban("site", "SPAM@example.net", "again")]);
    assert_eq!(store.bans(&BanScope::Site).unwrap().len(), 2, "the same pattern is replaced");
    let unban = |pattern: &str| StoreChange::Unban { scope: BanScope::Site, pattern: pattern.parse().unwrap() };
    apply(store, vec![unban("spam@example.net")]);
    assert_eq!(hit(&other, "spam@example.net"), None);
    assert!(matches!(refused(store, unban("spam@example.net")), Refusal::NoBan { .. }));
    assert!(
        matches!(refused(store, unban("@example.com")), Refusal::NoBan { .. }),
        "another pattern than @.example.com"
    );
}

pub(crate) fn a_removed_list_leaves_nothing_behind(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    let near = list("dev@lists.example.organic");
    let fill = |list: &ListAddress| {
        vec![
            create(list),
            set(list, "footer", Some(&"long ".repeat(2000))),
            add(list, with_roles("alice@example.org", "owner")),
            hold(list, "s", vec![b'x'; 9000]),
            hold(list, &"long subject ".repeat(500), b"short".to_vec()),
            ban(list.as_str(), "@example.com", ""),
        ]
    };
    apply(store, fill(&dev()));
    apply(store, fill(&near));
    apply(store, vec![StoreChange::RemoveList { list: dev() }]);
    assert_eq!(store.banned(&dev(), &address("x@example.com")), Ok(None));
    assert_eq!(store.staff(&dev(), Role::Owner), Ok(vec![]));
    apply(store, vec![create(&dev())]);
    assert_eq!(whole_roster(store, &dev(), 9), []);
    assert_eq!((store.held(&dev(), None, 9), store.held_entry(&dev(), 1)), (Ok(vec![]), Ok(None)));
    assert_eq!((store.staff(&dev(), Role::Owner), store.member_count(&dev())), (Ok(vec![]), Ok(0)));
    assert_eq!(store.bans(&BanScope::List(dev())), Ok(vec![]));
    assert!(store.list(&dev()).unwrap().unwrap().own.is_empty());

    assert_eq!(store.staff(&near, Role::Owner).unwrap().len(), 1, "a list of a similar name keeps what it has");
    assert_eq!(store.held_entry(&near, 1).unwrap().unwrap().1.0.len(), 9000);
    assert!(store.banned(&near, &address("x@example.com")).unwrap().is_some());
}

pub(crate) fn a_list_without_members_is_a_list(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    apply(store, vec![create(&dev()), StoreChange::ImportMembers { list: dev(), members: vec![] }]);
    assert_eq!((store.roster(&dev(), None, 500), store.member_count(&dev())), (Ok(vec![]), Ok(0)));
    assert_eq!(store.roster(&dev(), Some(&address("bob@example.net")), 500), Ok(vec![]));
    assert_eq!(store.lists(None, 9).unwrap().len(), 1);
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

pub(crate) fn long_texts_are_kept_whole(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    let footer = "\u{1f600} a long line of a footer\n".repeat(8_000);
    let footer = footer.trim_end();
    let name = "n".repeat(20_000);
    apply(
        store,
        vec![
            create(&dev()),
            set(&dev(), "footer", Some(footer)),
            add(&dev(), Member { name: name.clone(), ..member("bob@example.net") }),
        ],
    );
    let many = (0..3000).map(|n| add(&dev(), member(&format!("m{n}@example.net")))).collect();
    apply(store, many);
    assert_eq!(store.list(&dev()).unwrap().unwrap().settings.footer, footer);
    assert_eq!(store.member(&dev(), &address("bob@example.net")).unwrap().unwrap().name, name);
    assert_eq!(store.audit(Some(1), 9).unwrap()[0].1.what.len(), 3000);
    apply(store, vec![set(&dev(), "footer", Some("short")), update(&dev(), member("bob@example.net"))]);
    assert_eq!(store.list(&dev()).unwrap().unwrap().settings.footer, "short");
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

pub(crate) fn signing_keys_stay_the_same(make: &Make) {
    let made = plain(make);
    let keys = made.store.signing_keys().unwrap();
    assert_ne!(keys.signing(), &[0; 32]);
    assert_eq!(made.store.signing_keys(), Ok(keys.clone()));
    assert_ne!(plain(make).store.signing_keys(), Ok(keys), "each store has its own");
}

pub(crate) fn figures_count(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    let other = list("other@lists.example.org");
    apply(store, vec![create(&dev()), create(&other), hold(&dev(), "s", b"x".to_vec())]);
    apply(store, vec![add(&dev(), member("bob@example.net")), add(&other, member("bob@example.net"))]);
    let figures = store.figures().unwrap();
    assert_eq!((figures.lists, figures.people, figures.held, figures.outbox), (2, 2, 1, 0));
    assert!(figures.disk_bytes > 0 && !figures.backend.is_empty() && !figures.location.is_empty());
    let (delivery, moderation) = (Delivery::default(), Moderation::default());
    let found = store.member(&other, &address("bob@example.net")).unwrap().unwrap();
    assert_eq!((found.delivery, found.moderation), (delivery, moderation));
}
