//! Entries that proptest makes up.

use listmill_queue_format::{
    Approval, AuthenticationResult, Author, BodyKind, Client, Cursor, Entry, EntryId, Envelope, Facts, FormatVersion,
    Hop, Outcome, Priority, Queue, Recipient, RuleHit, Subaddress, Timestamp,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value};

/// An entry with something in every field now and then, unknown fields included.
pub(crate) fn entry() -> impl Strategy<Value = Entry> {
    let place = (id(), prop::sample::select(Queue::ALL.to_vec()), instant(), option::of(text()), priority());
    let schedule = (any::<u32>(), option::of(instant()), option::of(instant()));
    let parts = (envelope(), facts(), vec(hop(), 0..3), unknown());
    let behind = (vec(any::<u8>(), 0..300), vec(recipient(), 0..4));
    (place, schedule, parts, behind).prop_map(
        |(
            (id, queue, arrived, list, priority),
            (attempts, not_before, expires),
            (envelope, facts, trace, other),
            (message, recipients),
        )| Entry {
            format: FormatVersion::CURRENT,
            id,
            queue,
            arrived,
            list,
            priority,
            attempts,
            not_before,
            expires,
            envelope,
            facts,
            trace,
            other,
            message: message.into(),
            recipients,
        },
    )
}

fn text() -> BoxedStrategy<String> {
    prop_oneof![Just(String::new()), "[a-z]{1,8}@example\\.(org|net)", "\\PC{0,12}", any::<String>()].boxed()
}

fn id() -> impl Strategy<Value = EntryId> {
    (instant(), any::<[u8; 10]>(), any::<u32>()).prop_map(|(now, chance, ordinal)| {
        let fresh = EntryId::fresh(now, chance);
        if ordinal % 2 == 0 { fresh } else { fresh.derive("pending", ordinal) }
    })
}

/// From 1970 to 9998, with and without a fraction of a second.
fn instant() -> BoxedStrategy<Timestamp> {
    let nanoseconds = prop_oneof![Just(0), Just(250_000_000), 0..1_000_000_000_i32];
    (0..253_370_764_800_i64, nanoseconds)
        .prop_map(|(seconds, nanoseconds)| Timestamp::new(seconds, nanoseconds).expect("jiff holds these years"))
        .boxed()
}

fn priority() -> impl Strategy<Value = Priority> {
    prop::sample::select(vec![Priority::High, Priority::Normal, Priority::Low])
}

/// Fields that no version knows: their names begin as no known name does.
fn unknown() -> BoxedStrategy<Map<String, Value>> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-9_007_199_254_740_991..=9_007_199_254_740_991_i64).prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            vec((text(), inner), 0..3).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    });
    vec((text(), value), 0..2)
        .prop_map(|fields| fields.into_iter().map(|(name, value)| (format!("x-{name}"), value)).collect())
        .boxed()
}

fn envelope() -> impl Strategy<Value = Envelope> {
    let client = (text(), text(), text(), unknown()).prop_map(|(address, helo, protocol, other)| Client {
        address,
        helo,
        protocol,
        other,
    });
    (text(), vec(text(), 0..3), any::<bool>(), any::<bool>(), option::of(client), unknown()).prop_map(
        |(sender, recipients, smtputf8, eight_bit, client, other)| Envelope {
            sender,
            recipients,
            smtputf8,
            body: if eight_bit { BodyKind::EightBitMime } else { BodyKind::SevenBit },
            client,
            other,
        },
    )
}

fn facts() -> impl Strategy<Value = Facts> {
    let subaddress = (text(), text(), unknown()).prop_map(|(word, detail, other)| Subaddress { word, detail, other });
    let author = (text(), text(), unknown()).prop_map(|(address, name, other)| Author { address, name, other });
    let rule = (text(), text(), unknown()).prop_map(|(rule, reason, other)| RuleHit { rule, reason, other });
    let approved = (text(), instant(), unknown()).prop_map(|(by, at, other)| Approval { by, at, other });
    let cursor = (text(), any::<u32>(), unknown()).prop_map(|(after, page, other)| Cursor { after, page, other });
    let result =
        (text(), text(), text(), unknown(), unknown()).prop_map(|(authserv_id, method, result, properties, other)| {
            AuthenticationResult { authserv_id, method, result, properties, other }
        });
    let singles = (option::of(subaddress), option::of(author), option::of(text()), option::of(approved));
    (singles, vec(result, 0..2), vec(rule, 0..3), option::of(cursor), unknown()).prop_map(
        |((subaddress, author, author_doubt, approved), authentication, rules, cursor, other)| Facts {
            subaddress,
            author,
            author_doubt,
            authentication,
            rules,
            approved,
            cursor,
            other,
        },
    )
}

fn hop() -> impl Strategy<Value = Hop> {
    (text(), text(), instant(), text(), text(), unknown())
        .prop_map(|(runner, host, at, disposition, reason, other)| Hop { runner, host, at, disposition, reason, other })
}

fn recipient() -> impl Strategy<Value = Recipient> {
    let outcome = (instant(), any::<u16>(), text(), text(), unknown())
        .prop_map(|(at, code, status, text, other)| Outcome { at, code, status, text, other });
    (text(), text(), vec(text(), 0..2), option::of(outcome), unknown()).prop_map(
        |(address, return_path, headers, outcome, other)| Recipient { address, return_path, headers, outcome, other },
    )
}
