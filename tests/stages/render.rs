//! A disposition in the form in which `expect.toml` speaks of it.

use listmill_core::{Disposition, HeldPost};
use listmill_mail::message::Message;
use listmill_mail::text::first_text;
use listmill_queue_format::{Entry, Facts, RuleHit};
use mail_parser::{MessageParser, MimeHeaders, PartType};
use toml::{Table, Value};

/// What `expect.toml` may say about `disposition`, decided about `read`.
pub(crate) fn render(disposition: &Disposition, read: &Entry) -> Table {
    let mut table = Table::new();
    let mut put = |key: &str, value: Value| {
        table.insert(key.to_owned(), value);
    };
    match disposition {
        Disposition::Forward { entry, reason } => return with(written(entry, read), "forward", reason),
        Disposition::Notify { entry, reason } => return with(written(entry, read), "notify", reason),
        Disposition::Hold { post } => return held(post),
        Disposition::Reject { reason, notice } => {
            put("kind", "reject".into());
            put("reason", reason.as_str().into());
            put("notice", notice.as_ref().map_or(false.into(), |entry| Value::Table(written(entry, read))));
        }
        Disposition::Discard { reason } => return with(table, "discard", reason),
        Disposition::Shunt { reason } => return with(table, "shunt", reason),
        Disposition::Defer { until, reason } => {
            put("until", until.to_string().into());
            return with(table, "defer", reason);
        }
        Disposition::Change(change) => {
            put("kind", "change".into());
            put("change", change.to_string().into());
            put("detail", Value::try_from(change).expect("a change has a form in TOML"));
        }
        Disposition::Deliver(_) => put("kind", "deliver".into()),
    }
    table
}

fn with(mut table: Table, kind: &str, reason: &str) -> Table {
    table.insert("kind".to_owned(), kind.into());
    table.insert("reason".to_owned(), reason.into());
    table
}

fn held(post: &HeldPost) -> Table {
    let pairs: [(&str, Value); 11] = [
        ("asks", post.asks.clone().unwrap_or_default().into()),
        ("sha256", post.sha256.as_str().into()),
        ("kind", "hold".into()),
        ("list", post.list.as_str().into()),
        ("author", post.author.as_str().into()),
        ("subject", post.subject.as_str().into()),
        ("message_id", post.message_id.as_str().into()),
        ("size", i64::try_from(post.size).expect("a case is small").into()),
        ("rules", hits(&post.reasons)),
        ("since", post.since.to_string().into()),
        ("expires", post.expires.to_string().into()),
    ];
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// An entry that is written: its head, its distribution list, and what became of the message.
fn written(entry: &Entry, read: &Entry) -> Table {
    let recipients = &entry.recipients;
    let column = |of: fn(&listmill_queue_format::Recipient) -> String| strings(recipients.iter().map(of));
    let message = Message::parse(&entry.message);
    let body = message.body();
    let mut table = facts(&entry.facts);
    let addresses = |name: &str| strings(message.addresses(name).into_iter().map(|(_, address)| address));
    let pairs: [(&str, Value); 18] = [
        ("subject", message.subject().into()),
        ("from", addresses("From")),
        ("to", addresses("To")),
        ("reply_to", addresses("Reply-To")),
        ("parts", strings(parts(&entry.message).into_iter())),
        ("queue", entry.queue.name().into()),
        ("list", entry.list.clone().unwrap_or_default().into()),
        ("priority", format!("{:?}", entry.priority).to_lowercase().into()),
        ("envelope_sender", entry.envelope.sender.as_str().into()),
        ("envelope_recipients", strings(entry.envelope.recipients.iter().cloned())),
        ("recipients", column(|one| one.address.clone())),
        ("return_paths", column(|one| one.return_path.clone())),
        ("headers", column(|one| one.headers.join(" | ").replace("\r\n", ""))),
        ("trace", strings(entry.trace.iter().map(|hop| hop.runner.clone()))),
        ("message_unchanged", (entry.message == read.message).into()),
        ("body_unchanged", (body == Message::parse(&read.message).body()).into()),
        ("text", first_text(&message).unwrap_or_default().into()),
        ("body", String::from_utf8_lossy(body).replace("\r\n", "\n").into()),
    ];
    table.extend(pairs.map(|(key, value)| (key.to_owned(), value)));
    let fields = message.fields().iter().map(|field| {
        let value = String::from_utf8_lossy(message.value(field)).replace("\r\n", "");
        format!("{}: {}", field.name, value.trim())
    });
    table.insert("fields".to_owned(), strings(fields));
    table
}

/// The media types of the leaves of the message, in order; those of an attached message are not looked at.
fn parts(message: &[u8]) -> Vec<String> {
    let Some(message) = MessageParser::default().parse(message) else { return Vec::new() };
    let leaves = message.parts.iter().filter(|part| !matches!(part.body, PartType::Multipart(_)));
    let of = |part: &mail_parser::MessagePart<'_>| match part.content_type() {
        Some(media) => format!("{}/{}", media.ctype(), media.subtype().unwrap_or("*")).to_lowercase(),
        None => "text/plain".to_owned(),
    };
    leaves.map(of).collect()
}

fn facts(facts: &Facts) -> Table {
    let mut table = Table::new();
    let mut put = |key: &str, value: Value| {
        table.insert(key.to_owned(), value);
    };
    let subaddress = facts.subaddress.as_ref().map(|subaddress| match subaddress.detail.as_str() {
        "" => subaddress.word.clone(),
        detail => format!("{}+{detail}", subaddress.word),
    });
    put("subaddress", subaddress.unwrap_or_default().into());
    let author = facts.author.as_ref().map(|author| match author.name.as_str() {
        "" => author.address.clone(),
        name => format!("{name} <{}>", author.address),
    });
    put("author", author.unwrap_or_default().into());
    put("author_doubt", facts.author_doubt.clone().unwrap_or_default().into());
    let authentication = facts.authentication.iter().map(|one| {
        let mut text = format!("{} {}={}", one.authserv_id, one.method, one.result);
        for (name, value) in &one.properties {
            text += &format!(" {name}={}", value.as_str().unwrap_or_default());
        }
        text
    });
    put("authentication", strings(authentication));
    put("rules", hits(&facts.rules));
    put("approved", facts.approved.as_ref().map(|approval| approval.by.clone()).unwrap_or_default().into());
    let cursor = facts.cursor.as_ref().map(|cursor| format!("page {} after {}", cursor.page, cursor.after));
    put("cursor", cursor.unwrap_or_default().into());
    for (key, value) in &facts.other {
        put(key, value.as_str().map_or_else(|| value.to_string(), str::to_owned).into());
    }
    table
}

fn hits(hits: &[RuleHit]) -> Value {
    strings(hits.iter().map(|hit| format!("{}: {}", hit.rule, hit.reason)))
}

fn strings(texts: impl Iterator<Item = String>) -> Value {
    Value::Array(texts.map(Value::String).collect())
}
