//! What every store does with lists and their settings.

use listmill_core::settings::Cascade;
use listmill_core::{
    BanScope, Delivery, ListAddress, Member, MessageFile, Moderation, Refusal, RequestKind, Role, Spent, StoreChange,
    Trust, Verdict,
};

use crate::store_conformance::{
    DAY, Make, add, address, apply, apply_later, ban, create, decide, dev, fresh_id, hold, layer, list, member, now,
    plain, refused, remove, set, unhold, update, whole_roster, with_roles,
};
use crate::store_requests::request;

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
    assert_eq!(store.held_by_entry(&dev(), fresh_id()), Ok(None));
    assert_eq!((store.decision(&dev(), 1), store.decisions(&dev(), None, 9)), (Ok(None), Ok(vec![])));
    assert_eq!(store.request(&dev(), RequestKind::Join, &bob), Ok(None));
    assert_eq!(store.request_by_handle(&dev(), "abc"), Ok(None));
    assert_eq!(store.spent(&bob, Trust::Known, now()), Ok(Spent::default()));
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
        update(store, &dev(), member("bob@example.net")),
        remove(&dev(), "bob@example.net"),
        hold(&dev(), "s", b"x".to_vec()),
        unhold(&dev(), 1),
        StoreChange::Rehold { list: dev(), id: 1 },
        StoreChange::Postpone { list: dev(), id: 1, until: now() },
        StoreChange::OpenRequest {
            request: request(&dev(), RequestKind::Join, "bob@example.net", "abc"),
            instead: None,
        },
        StoreChange::CloseRequest {
            list: dev(),
            kind: RequestKind::Join,
            address: bob.clone(),
            opened: fresh_id(),
            outcome: "confirmed".to_owned(),
        },
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
            hold(list, "back", vec![b'y'; 9000]),
            decide(list, 3, Verdict::Reject),
            StoreChange::OpenRequest {
                request: request(list, RequestKind::Join, "bob@example.net", "abc"),
                instead: None,
            },
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
    assert_eq!((store.decisions(&dev(), None, 9), store.decision(&dev(), 3)), (Ok(vec![]), Ok(None)));
    assert_eq!(store.request(&dev(), RequestKind::Join, &address("bob@example.net")), Ok(None));
    assert_eq!((store.request_by_handle(&dev(), "abc"), store.figures().unwrap().requests), (Ok(None), 1));
    apply_later(store, 31 * DAY, vec![StoreChange::Tidy]);
    apply(store, vec![hold(&dev(), "first", b"1".to_vec())]);
    assert_eq!(store.held_entry(&dev(), 1).unwrap().unwrap().1, MessageFile(b"1".to_vec()), "numbers begin anew");

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
    apply(store, vec![set(&dev(), "footer", Some("short")), update(store, &dev(), member("bob@example.net"))]);
    assert_eq!(store.list(&dev()).unwrap().unwrap().settings.footer, "short");
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
