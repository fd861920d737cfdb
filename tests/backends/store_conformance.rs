//! What every store does, whichever backend it has: one suite, called once for each.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use listmill_core::settings::Cascade;
use listmill_core::{
    Address, Ban, Commit, CommitError, Committed, HeldPost, ListAddress, Member, MessageFile, Refusal, StoreChange,
    Timestamp, Verdict,
};
use listmill_queue_format::EntryId;
use listmill_store::Store;

/// A store of its own for one test, and what must live as long as it.
pub(crate) struct Made {
    pub(crate) store: Arc<dyn Store>,
    /// Gives back the room of what is gone, where the backend does so by and by.
    pub(crate) compact: Box<dyn Fn()>,
    pub(crate) _keep: Box<dyn Any>,
}

impl Made {
    /// The room that it takes.
    pub(crate) fn disk_bytes(&self) -> u64 {
        (self.compact)();
        self.store.figures().unwrap().disk_bytes
    }
}

/// Calls the whole suite for one backend: a module of tests, each with a store of its own. They are skipped where `$here` says so.
macro_rules! exercise {
    ($backend:ident, $make:path) => { $crate::store_conformance::exercise!($backend, $make, std::convert::identity::<bool>); };
    ($backend:ident, $make:path, $here:path) => {
        mod $backend {
            $crate::store_conformance::exercise!(@tests $make, $here; store_lists;
                what_is_not_there,
                a_list_is_created_changed_and_removed,
                a_setting_that_cannot_be_is_refused_with_its_name,
                settings_cascade_and_a_bad_site_value_is_a_clear_reason,
                lists_come_in_pages,
                a_removed_list_leaves_nothing_behind,
                a_list_without_members_is_a_list,
                long_texts_are_kept_whole,
                signing_keys_stay_the_same,
                figures_count
            );
            $crate::store_conformance::exercise!(@tests $make, $here; store_rosters;
                members_join_change_and_leave,
                a_record_that_has_changed_meanwhile_is_not_replaced,
                names_that_differ_only_in_case_are_one_person,
                a_member_keeps_every_field,
                staff_and_counts_follow_the_roles,
                an_import_leaves_who_is_there_and_counts_each_once,
                a_hundred_thousand_members,
                a_roster_is_read_in_pages_while_people_come_and_go
            );
            $crate::store_conformance::exercise!(@tests $make, $here; store_batches;
                a_batch_whose_last_change_is_refused_changes_nothing,
                each_change_of_a_batch_sees_those_before_it,
                of_several_batches_each_is_applied_or_refused_for_itself,
                a_batch_applied_twice_changes_nothing_and_gives_back_the_outbox,
                the_outbox_is_kept_until_done,
                long_outgoing_entries_come_back_byte_for_byte,
                the_audit_log_says_who_when_why_and_by_which_entry,
                committers_at_the_same_time_all_get_in
            );
            $crate::store_conformance::exercise!(@tests $make, $here; store_posts_and_bans;
                held_posts_have_numbers_of_their_own_on_each_list,
                long_held_posts_come_back_and_go,
                bans_hit_addresses_domains_and_subdomains
            );
            $crate::store_conformance::exercise!(@tests $make, $here; store_decisions;
                a_held_post_is_found_by_its_entry,
                a_decision_stays_known_for_a_month,
                what_has_reached_nobody_can_come_back,
                the_message_of_a_decided_post_goes_after_an_hour,
                a_held_post_waits_longer,
                what_waits_for_a_moderator_may_be_a_wish,
                many_decisions_go_a_thousand_at_a_time
            );
            $crate::store_conformance::exercise!(@tests $make, $here; store_lapsing;
                posts_of_all_lists_lapse_in_the_order_of_their_time,
                what_is_decided_or_postponed_does_not_lapse,
                a_great_many_posts_have_lapsed
            );
            $crate::store_conformance::exercise!(@tests $make, $here; store_requests;
                one_request_of_a_kind_is_open_for_a_person,
                a_request_that_is_asked_for_again_keeps_its_token,
                a_handle_leads_to_one_request,
                an_expired_request_is_there_until_it_is_tidied,
                of_two_confirmations_at_the_same_time_one_wins,
                many_requests_expire_a_thousand_at_a_time
            );
            $crate::store_conformance::exercise!(@tests $make, $here; store_bounces;
                a_record_is_replaced_by_who_has_seen_it,
                what_is_known_of_bounces_goes_with_the_member_and_the_list,
                records_are_due_in_the_order_of_their_time,
                what_is_counted_once_counts_once,
                tallies_are_kept_for_their_time,
                of_many_who_count_and_note_at_the_same_time_each_is_heard
            );
            $crate::store_conformance::exercise!(@tests $make, $here; store_budget;
                a_day_allows_so_many_letters,
                the_letters_of_a_batch_count_one_after_the_other,
                each_day_begins_anew_and_days_before_are_forgotten,
                no_more_is_spent_than_a_day_allows_whoever_spends
            );
        }
    };
    (@tests $make:path, $here:path; $module:ident; $($case:ident),+) => {
        $(#[test] fn $case() { if $here(true) { $crate::$module::$case(&$make) } })+
    };
}
pub(crate) use exercise;

pub(crate) type Make = dyn Fn(Cascade) -> Made;

pub(crate) fn plain(make: &Make) -> Made {
    make(Cascade::default())
}

pub(crate) fn list(text: &str) -> ListAddress {
    text.parse().unwrap()
}

pub(crate) fn dev() -> ListAddress {
    list("dev@lists.example.org")
}

pub(crate) fn address(text: &str) -> Address {
    text.parse().unwrap()
}

pub(crate) fn member(text: &str) -> Member {
    Member::new(address(text), 1_700_000_000)
}

pub(crate) fn with_roles(text: &str, roles: &str) -> Member {
    Member { roles: roles.parse().unwrap(), ..member(text) }
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(1_764_000_000).unwrap()
}

pub(crate) const HOUR: i64 = 3_600;
pub(crate) const DAY: i64 = 86_400;

/// So many seconds after [`now`].
pub(crate) fn later(seconds: i64) -> Timestamp {
    Timestamp::from_second(now().as_second() + seconds).unwrap()
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

/// As [`apply`], so many seconds later.
#[track_caller]
pub(crate) fn apply_later(store: &dyn Store, seconds: i64, changes: Vec<StoreChange>) {
    assert_eq!(store.commit(&Commit { at: later(seconds), ..batch(changes) }), Ok(Committed::Now));
}

#[track_caller]
pub(crate) fn refused(store: &dyn Store, change: StoreChange) -> Refusal {
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

/// The record of a person is replaced, by whoever has just read it.
pub(crate) fn update(store: &dyn Store, list: &ListAddress, member: Member) -> StoreChange {
    let was = store.member(list, &member.address).unwrap().unwrap_or_else(|| member.clone());
    StoreChange::UpdateMember { list: list.clone(), was: Box::new(was), member }
}

pub(crate) fn remove(list: &ListAddress, who: &str) -> StoreChange {
    StoreChange::RemoveMember { list: list.clone(), address: address(who) }
}

pub(crate) fn set(list: &ListAddress, key: &str, value: Option<&str>) -> StoreChange {
    StoreChange::Set { list: list.clone(), key: key.to_owned(), value: value.map(str::to_owned) }
}

pub(crate) fn hold(list: &ListAddress, subject: &str, bytes: Vec<u8>) -> StoreChange {
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
        sha256: "00ff".repeat(16),
        asks: None,
        away: None,
    };
    StoreChange::Hold { post, file: MessageFile(bytes) }
}

pub(crate) fn unhold(list: &ListAddress, id: u64) -> StoreChange {
    decide(list, id, Verdict::Accept)
}

pub(crate) fn decide(list: &ListAddress, id: u64, verdict: Verdict) -> StoreChange {
    StoreChange::Unhold { list: list.clone(), id, verdict, by: "alice@example.org".to_owned() }
}

pub(crate) fn ban(scope: &str, pattern: &str, reason: &str) -> StoreChange {
    StoreChange::Ban(Ban {
        scope: scope.parse().unwrap(),
        pattern: pattern.parse().unwrap(),
        reason: reason.to_owned(),
        since: now(),
    })
}

pub(crate) fn layer(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

pub(crate) fn addresses(members: &[Member]) -> Vec<&str> {
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
