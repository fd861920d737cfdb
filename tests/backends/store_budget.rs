//! What every store does with the budget of letters that may not have been asked for.

use std::sync::atomic::{AtomicU32, Ordering};

use listmill_core::{Allowance, Commit, CommitError, Committed, Refusal, Spent, StoreChange, StoreView, Trust};

use crate::store_conformance::{
    DAY, Make, address, apply, apply_later, batch, create, dev, later, member, now, plain, refused, remove,
};

const ALLOWANCE: Allowance = Allowance { per_address: 3, per_domain: 5 };

fn spend(who: &str, trust: Trust) -> StoreChange {
    StoreChange::Spend { address: address(who), trust, allowance: ALLOWANCE }
}

fn stranger(who: &str) -> StoreChange {
    spend(who, Trust::Stranger)
}

fn spent(store: &dyn StoreView, who: &str, days: i64) -> (u32, u32) {
    let Spent { address, domain } = store.spent(&address(who), Trust::Stranger, later(days * DAY)).unwrap();
    (address, domain)
}

pub(crate) fn a_day_allows_so_many_letters(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    assert_eq!(spent(store, "bob@example.net", 0), (0, 0));
    apply(store, vec![stranger("bob@example.net"), stranger("Bob@EXAMPLE.net")]);
    assert_eq!((spent(store, "BOB@example.net", 0), spent(store, "carol@example.net", 0)), ((2, 2), (0, 2)));
    apply(store, vec![stranger("bob@example.net")]);
    let over = |who: &str| Refusal::OverBudget { address: address(who) };
    assert_eq!(refused(store, stranger("bob@example.net")), over("bob@example.net"));
    apply(store, vec![stranger("carol@example.net"), stranger("dave@example.net")]);
    assert_eq!(refused(store, stranger("erin@example.net")), over("erin@example.net"), "the domain has had enough");
    assert_eq!((spent(store, "bob@example.net", 0), spent(store, "erin@example.net", 0)), ((3, 5), (0, 5)));

    apply(store, vec![spend("bob@example.net", Trust::Known), stranger("bob@mail.example.net")]);
    let known = store.spent(&address("bob@example.net"), Trust::Known, now());
    assert_eq!(known, Ok(Spent { address: 1, domain: 1 }), "who is vouched for has a budget of their own");
}

pub(crate) fn the_letters_of_a_batch_count_one_after_the_other(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    let four = vec![stranger("bob@example.net"); 4];
    let error = store.commit(&batch([vec![create(&dev())], four].concat())).unwrap_err();
    assert_eq!(error, CommitError::Refused(Refusal::OverBudget { address: address("bob@example.net") }));
    assert_eq!(store.list(&dev()), Ok(None));
    assert_eq!(spent(store, "bob@example.net", 0), (0, 0), "what is refused costs nothing");
    apply(store, vec![stranger("bob@example.net"); 3]);
    assert_eq!(spent(store, "bob@example.net", 0), (3, 3));
    apply(store, vec![create(&dev())]);
    assert!(store.commit(&batch(vec![stranger("al@example.org"), remove(&dev(), "al@example.org")])).is_err());
    assert_eq!(spent(store, "al@example.org", 0), (0, 0));
}

pub(crate) fn each_day_begins_anew_and_days_before_are_forgotten(make: &Make) {
    let made = plain(make);
    let store = &*made.store;
    apply(store, vec![stranger("bob@example.net"); 3]);
    // `now` is at 16:00 UTC: the day ends eight hours later.
    let before_midnight = Commit { at: later(8 * 3600 - 1), ..batch(vec![stranger("bob@example.net")]) };
    assert!(matches!(store.commit(&before_midnight), Err(CommitError::Refused(_))));
    apply_later(store, 8 * 3600, vec![stranger("bob@example.net")]);
    assert_eq!((spent(store, "bob@example.net", 0), spent(store, "bob@example.net", 1)), ((3, 3), (1, 1)));
    apply_later(store, 8 * 3600, vec![StoreChange::Tidy]);
    assert_eq!((spent(store, "bob@example.net", 0), spent(store, "bob@example.net", 1)), ((0, 0), (1, 1)));

    for part in 0..5 {
        apply(store, (0..300).map(|n| stranger(&format!("m@m{part}n{n}.example"))).collect());
    }
    let tidied = || {
        apply_later(store, DAY, vec![StoreChange::Tidy]);
        let all = (0..5).flat_map(|part| (0..300).map(move |n| format!("m@m{part}n{n}.example")));
        let (addresses, domains): (Vec<_>, Vec<_>) = all.map(|who| spent(store, &who, 0)).unzip();
        addresses.iter().chain(&domains).sum::<u32>()
    };
    assert_eq!([tidied(), tidied(), tidied(), tidied()], [2000, 1000, 0, 0], "a bounded number at a time");
    assert_eq!(spent(store, "bob@example.net", 1), (1, 1));
}

pub(crate) fn no_more_is_spent_than_a_day_allows_whoever_spends(make: &Make) {
    let made = plain(make);
    let store = made.store.clone();
    apply(&*store, vec![create(&dev())]);
    let allowance = Allowance { per_address: 20, per_domain: 50 };
    let (letters, refusals) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|threads| {
        for thread in 0..8 {
            let (store, letters, refusals) = (&store, &letters, &refusals);
            threads.spawn(move || {
                let who = address(&format!("m{}@example.net", thread % 4));
                for n in 0..25 {
                    let spend = StoreChange::Spend { address: who.clone(), trust: Trust::Stranger, allowance };
                    let name = format!("t{thread}n{n}@example.com");
                    // As the shell does: decide by what one sees, and again when that was not so any more.
                    loop {
                        let seen = store.spent(&who, Trust::Stranger, now()).unwrap();
                        assert!(seen.address <= 20 && seen.domain <= 50, "{seen:?}");
                        if !allowance.allows(seen, 1) {
                            break;
                        }
                        let add = StoreChange::AddMember { list: dev(), member: member(&name) };
                        match store.commit(&batch(vec![add, spend.clone()])) {
                            Ok(Committed::Now) => {
                                letters.fetch_add(1, Ordering::SeqCst);
                                break;
                            }
                            Err(CommitError::Refused(Refusal::OverBudget { .. })) => {
                                refusals.fetch_add(1, Ordering::SeqCst);
                            }
                            other => panic!("{other:?}"),
                        }
                    }
                }
            });
        }
    });
    assert_eq!(letters.into_inner(), 50, "all that is allowed, and {} times too late", refusals.into_inner());
    assert_eq!(store.member_count(&dev()), Ok(50), "what a letter goes with happens when the letter does");
    assert_eq!(store.spent(&address("x@example.net"), Trust::Stranger, now()).unwrap().domain, 50);
}
