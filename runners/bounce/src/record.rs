//! What is known of one member's failures: what is kept of it, and what it comes to.

use jiff::SignedDuration;
use listmill_core::{
    Address, BounceEvent, BounceRecord, BounceState, By, Delivery, ListAddress, Member, Settings, Timestamp,
};
use listmill_queue_format::EntryId;

/// Failures that count which are kept, and others.
const KEPT: (usize, usize) = (16, 8);

/// So long after the last failure it is forgotten.
const FORGOTTEN: SignedDuration = SignedDuration::from_hours(180 * 24);

/// The failures that do not count which are noted on one day.
const OTHERS_A_DAY: usize = 4;

/// A record in which nothing has failed yet.
pub(crate) fn empty(list: &ListAddress, address: &Address, by: EntryId) -> BounceRecord {
    BounceRecord {
        list: list.clone(),
        address: address.clone(),
        by,
        events: Vec::new(),
        state: BounceState::Scoring,
        cleared: None,
        complained: None,
        due: Timestamp::MAX,
    }
}

/// The day (UTC).
pub(crate) fn day(at: Timestamp) -> i64 {
    at.as_second().div_euclid(86_400)
}

/// A delivery that somebody has switched on again since we switched it off begins anew, and what failed before no longer counts.
pub(crate) fn begun_anew(mut record: BounceRecord, member: &Member, now: Timestamp) -> BounceRecord {
    if matches!(record.state, BounceState::Disabled { .. }) && member.delivery != Delivery::Off(By::Bounces) {
        clear(&mut record, now);
    }
    record
}

/// What has failed before `now` no longer counts.
pub(crate) fn clear(record: &mut BounceRecord, now: Timestamp) {
    record.state = BounceState::Scoring;
    record.cleared = Some(now);
    record.due = forgotten_at(record, now);
}

/// When a record in which nothing is going on is forgotten.
pub(crate) fn forgotten_at(record: &BounceRecord, now: Timestamp) -> Timestamp {
    let last = record.events.last().map_or(now, |event| event.at);
    last.checked_add(FORGOTTEN).unwrap_or(Timestamp::MAX)
}

/// Whether it says anything new: once a day a failure counts, and of the others each post is noted once, and few. `counts` says of
/// a failure before whether it counts, or is braked.
pub(crate) fn is_news<E>(
    record: &BounceRecord,
    event: &BounceEvent,
    mut counts: impl FnMut(&BounceEvent) -> Result<bool, E>,
) -> Result<bool, E> {
    let today: Vec<_> = record.events.iter().filter(|before| day(before.at) == day(event.at)).collect();
    if today.iter().any(|before| before.post == event.post && before.weight >= event.weight) {
        return Ok(false);
    }
    if event.weight == 0 {
        return Ok(today.iter().filter(|before| before.weight == 0).count() < OTHERS_A_DAY);
    }
    for before in today.iter().filter(|before| before.weight >= event.weight) {
        if counts(before)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Adds a failure, and drops the oldest where there are too many.
pub(crate) fn add(record: &mut BounceRecord, event: BounceEvent) {
    record.events.push(event);
    let mut left = KEPT;
    let mut keep: Vec<bool> = record
        .events
        .iter()
        .rev()
        .map(|event| {
            let left = if event.weight > 0 { &mut left.0 } else { &mut left.1 };
            let keep = *left > 0;
            *left = left.saturating_sub(1);
            keep
        })
        .collect();
    record.events.retain(|_| keep.pop().unwrap_or(true));
}

/// The failures that may count now, whether or not they are braked.
pub(crate) fn counting<'r>(
    record: &'r BounceRecord,
    settings: &'r Settings,
    now: Timestamp,
) -> impl Iterator<Item = &'r BounceEvent> {
    record.events.iter().filter(move |event| {
        event.weight > 0
            && record.cleared.is_none_or(|cleared| event.at >= cleared)
            && now.duration_since(event.at) < settings.bounce_fade
    })
}

/// The score of these failures, oldest first, in hundredths: of each day the worst.
pub(crate) fn score<'r>(events: impl Iterator<Item = &'r BounceEvent>) -> u32 {
    let (mut sum, mut last): (u32, Option<(i64, u32)>) = (0, None);
    for event in events {
        let today = day(event.at);
        let before = last.filter(|(of, _)| *of == today).map_or(0, |(_, weight)| weight);
        let weight = before.max(event.weight);
        sum += weight - before;
        last = Some((today, weight));
    }
    sum
}

/// A score for people.
pub(crate) fn shown(score: u32) -> String {
    format!("{}.{:02}", score / 100, score % 100)
}

/// What the other side said last: of what counts, or else of anything.
pub(crate) fn last_evidence(record: &BounceRecord) -> Option<&BounceEvent> {
    let mut newest = record.events.iter().rev();
    newest.clone().find(|event| event.weight > 0).or_else(|| newest.next())
}

/// A failure in one line: code and text.
pub(crate) fn in_words(event: &BounceEvent) -> String {
    let told = event.evidence.contains(&event.status);
    let parts = [if told { "" } else { event.status.as_str() }, event.evidence.as_str()];
    let words = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    if words.is_empty() { event.cause.name().to_owned() } else { words }
}

#[cfg(test)]
mod tests {
    use listmill_core::Cause;

    use super::*;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(1_763_769_600 + hours * 3600).unwrap()
    }

    fn event(hours: i64, weight: u32, post: &str) -> BounceEvent {
        let (status, relay, evidence) = ("5.1.1".to_owned(), String::new(), "550 5.1.1 gone".to_owned());
        BounceEvent { at: at(hours), cause: Cause::Gone, status, weight, post: post.to_owned(), relay, evidence }
    }

    fn record(events: &[BounceEvent]) -> BounceRecord {
        let list = "dev@lists.example.org".parse().unwrap();
        let by = EntryId::fresh(at(0), [1; 10]);
        BounceRecord { events: events.to_vec(), ..empty(&list, &"bob@example.net".parse().unwrap(), by) }
    }

    fn is_news(events: &[BounceEvent], event: &BounceEvent, counts: bool) -> bool {
        super::is_news(&record(events), event, |_| Ok::<_, ()>(counts)).unwrap()
    }

    #[test]
    fn a_day_counts_its_worst() {
        let events =
            [event(0, 50, "a"), event(5, 100, "b"), event(23, 50, "c"), event(24, 50, "d"), event(100, 0, "e")];
        assert_eq!(score(events.iter()), 150);
        assert_eq!(shown(150), "1.50");
    }

    #[test]
    fn the_second_of_a_day_is_no_news_unless_it_is_worse_or_the_first_is_braked() {
        let first = event(1, 50, "a");
        assert!(is_news(&[], &first, true));
        for (second, counts, news) in [
            (event(2, 50, "b"), true, false),
            (event(2, 50, "b"), false, true),
            (event(2, 50, "a"), false, false),
            (event(2, 100, "b"), true, true),
            (event(25, 50, "b"), true, true),
            (event(2, 0, "b"), true, true),
            (event(2, 0, "a"), true, false),
        ] {
            assert_eq!(is_news(std::slice::from_ref(&first), &second, counts), news, "{second:?} {counts}");
        }
        let others = ["a", "b", "c", "d"].map(|post| event(2, 0, post));
        assert!(!is_news(&others, &event(3, 0, "e"), true) && is_news(&others[..3], &event(3, 0, "e"), true));
    }

    #[test]
    fn so_many_are_kept_of_each() {
        let mut record = record(&[]);
        for number in 0..100 {
            add(&mut record, event(number, u32::from(number % 2 == 0), "p"));
        }
        let scoring = record.events.iter().filter(|event| event.weight > 0).count();
        assert_eq!((scoring, record.events.len()), (16, 24));
        assert_eq!(record.events.last().unwrap().at, at(99));
        assert!(record.events.is_sorted_by_key(|event| event.at));
    }

    #[test]
    fn what_is_cleared_or_too_old_does_not_count() {
        let settings = Settings::default();
        let mut record = record(&[event(0, 100, "a"), event(24, 100, "b"), event(48, 100, "c")]);
        let score = |record: &BounceRecord, hours| score(counting(record, &settings, at(hours)));
        assert_eq!((score(&record, 49), score(&record, 30 * 24), score(&record, 31 * 24 + 25)), (300, 200, 0));
        record.cleared = Some(at(24));
        assert_eq!(score(&record, 49), 200);
    }
}
