//! What every store knows of held posts that have waited too long.

use listmill_core::{HeldPost, ListAddress, StoreChange, StoreView, Verdict};

use crate::store_conformance::{DAY, Make, apply, create, decide, dev, hold, later, list, plain};

/// A held post that lapses so many seconds later.
fn until(list: &ListAddress, seconds: i64) -> StoreChange {
    let StoreChange::Hold { post, file } = hold(list, "s", b"x".to_vec()) else { panic!("it is a hold") };
    StoreChange::Hold { post: HeldPost { expires: later(seconds), ..post }, file }
}

fn lapsed(store: &dyn StoreView, seconds: i64, limit: usize) -> Vec<(String, u64)> {
    let lapsed = store.lapsed(later(seconds), limit).unwrap();
    lapsed.into_iter().map(|post| (post.list.name().to_owned(), post.id)).collect()
}

fn named(posts: &[(&str, u64)]) -> Vec<(String, u64)> {
    posts.iter().map(|(list, id)| ((*list).to_owned(), *id)).collect()
}

pub(crate) fn posts_of_all_lists_lapse_in_the_order_of_their_time(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    let (dev, news) = (dev(), list("news@lists.example.org"));
    apply(store, vec![create(&dev), create(&news)]);
    assert_eq!(lapsed(store, DAY, 9), []);
    apply(
        store,
        vec![until(&dev, 30), until(&dev, 10), until(&news, 20), until(&news, 10), until(&dev, -100_000 * DAY)],
    );
    let all = named(&[("dev", 3), ("dev", 2), ("news", 2), ("news", 1), ("dev", 1)]);
    assert_eq!(lapsed(store, DAY, 9), all);
    assert_eq!(lapsed(store, 20, 9), all[..4], "those whose time has just come among them");
    assert_eq!(lapsed(store, 19, 9), all[..3]);
    assert_eq!((lapsed(store, DAY, 2), lapsed(store, DAY, 0)), (all[..2].to_vec(), vec![]));
    assert_eq!(store.lapsed(later(DAY), 1), Ok(store.held(&dev, Some(2), 9).unwrap()), "as they are held");
}

pub(crate) fn what_is_decided_or_postponed_does_not_lapse(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    let dev = dev();
    apply(store, vec![create(&dev), until(&dev, 10), until(&dev, 20), until(&dev, 30)]);
    apply(store, vec![StoreChange::Postpone { list: dev.clone(), id: 1, until: later(25) }]);
    assert_eq!(
        (lapsed(store, 24, 9), lapsed(store, 99, 9)),
        (named(&[("dev", 2)]), named(&[("dev", 2), ("dev", 1), ("dev", 3)]))
    );
    apply(store, vec![decide(&dev, 2, Verdict::Discard), decide(&dev, 1, Verdict::Lapse)]);
    assert_eq!(lapsed(store, 99, 9), named(&[("dev", 3)]));
    apply(store, vec![StoreChange::Rehold { list: dev.clone(), id: 2 }]);
    assert_eq!(lapsed(store, 99, 9), named(&[("dev", 2), ("dev", 3)]), "held again, it lapses when it would have");
    apply(store, vec![StoreChange::RemoveList { list: dev.clone() }, create(&dev)]);
    assert_eq!(lapsed(store, 99, 9), []);
}

pub(crate) fn a_great_many_posts_have_lapsed(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    apply(store, vec![create(&dev())]);
    apply(store, (0..700).map(|number| until(&dev(), 700 - number)).collect());
    let ids = |limit| lapsed(store, 650, limit).into_iter().map(|(_, id)| id).collect::<Vec<_>>();
    assert_eq!(ids(1000), (51..=700).rev().collect::<Vec<_>>());
    assert_eq!(ids(300), (401..=700).rev().collect::<Vec<_>>());
}
