//! What every store does with held posts and bans.

use listmill_core::{BanScope, ListAddress, MessageFile, Refusal, StoreChange};

use crate::store_conformance::{Make, address, apply, ban, create, dev, hold, list, plain, refused, unhold};

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
    let full = made.disk_bytes();
    assert_eq!(store.held_entry(&dev(), 2).unwrap().unwrap().1, big);
    apply(store, vec![unhold(&dev(), 1)]);
    assert_eq!(store.held_entry(&dev(), 2).unwrap().unwrap().1, big);
    apply(store, vec![StoreChange::RemoveList { list: dev() }]);
    assert!(made.disk_bytes() < full - 3_000_000, "what was decided takes no room");
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
