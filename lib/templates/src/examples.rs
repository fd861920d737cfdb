//! Values as they could be, one set for each struct of values.

use handlebars::{Context, JsonValue};
use listmill_core::ListAddress;

use crate::TemplateError;
use crate::values::*;

const LIST: &str = "dev@lists.example.org";
const DESCRIPTION: &str = "Development & its friends";
const REQUEST: &str = "dev-request@lists.example.org";
const OWNER: &str = "dev-owner@lists.example.org";
const SUBJECT: &str = "A & B <c> {{owner}}";
const SINCE: &str = "2026-11-22 08:30 UTC";
const EVIDENCE: &str = "550 5.1.1 <bob@example.net>: no such user";
const EXPIRES: &str = "2026-11-27 08:30 UTC";

/// The example for a text; none when there is no such text.
pub(crate) fn example(name: &str) -> Option<Result<Context, TemplateError>> {
    fn of<L: Letter>(name: &str) -> Option<Result<Context, TemplateError>> {
        L::NAMES.contains(&name).then(|| {
            Context::wraps(L::example())
                .map_err(|error| TemplateError::Text { name: name.to_owned(), reason: error.reason().to_string() })
        })
    }
    let all = [
        of::<Rejected<'_>>,
        of::<Held<'_>>,
        of::<Lapsed<'_>>,
        of::<Confirm<'_>>,
        of::<Welcome<'_>>,
        of::<Farewell<'_>>,
        of::<JoinRefused<'_>>,
        of::<Results<'_>>,
        of::<Help<'_>>,
        of::<Info<'_>>,
        of::<Moderate<'_>>,
        of::<Summary<'_>>,
        of::<Decided<'_>>,
        of::<Ack<'_>>,
        of::<Probe<'_>>,
        of::<Bounced<'_>>,
        of::<BounceReport<'_>>,
        of::<BounceUnread<'_>>,
    ];
    all.iter().find_map(|of| of(name))
}

/// Puts this list in the place of the one that the examples are about; its description, too, where it is known.
pub(crate) fn put_list(value: &mut JsonValue, list: &ListAddress, description: Option<&str>) {
    match value {
        JsonValue::String(text) if text == DESCRIPTION => {
            description.unwrap_or(DESCRIPTION).clone_into(text);
        }
        JsonValue::String(text) if text.contains("@lists.example.org") => {
            let own = text.replace(LIST, list.as_str());
            *text = match own.strip_prefix("dev-").and_then(|rest| rest.strip_suffix("@lists.example.org")) {
                Some(word) => list.as_str().replacen('@', &format!("-{word}@"), 1),
                None => own,
            };
        }
        JsonValue::Array(values) => values.iter_mut().for_each(|value| put_list(value, list, description)),
        JsonValue::Object(values) => values.values_mut().for_each(|value| put_list(value, list, description)),
        _ => (),
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

impl Letter for Rejected<'_> {
    const NAMES: &'static [&'static str] = &["rejected"];

    fn example() -> Self {
        Rejected { list: LIST, subject: SUBJECT, reason: "only members may post", owner: OWNER }
    }
}

impl Letter for Held<'_> {
    const NAMES: &'static [&'static str] = &["held"];

    fn example() -> Self {
        Held {
            list: LIST,
            subject: SUBJECT,
            reasons: owned(&["mallory@example.net is not a member", "the post has no subject"]),
            expires: EXPIRES,
            cancel: "dev-cancel+4f7k2m9x@lists.example.org",
            owner: OWNER,
        }
    }
}

impl Letter for Lapsed<'_> {
    const NAMES: &'static [&'static str] = &["lapsed"];

    fn example() -> Self {
        Lapsed { list: LIST, subject: SUBJECT, since: SINCE, owner: OWNER }
    }
}

impl Letter for Confirm<'_> {
    const NAMES: &'static [&'static str] =
        &["confirm-join", "confirm-leave", "confirm-leave-all", "confirm-address", "confirm-commands", "invitation"];

    fn example() -> Self {
        Confirm {
            list: LIST,
            description: DESCRIPTION,
            address: "bob@example.net",
            by: "olivia@example.org",
            confirm: "dev-confirm+4f7k2m9x@lists.example.org",
            token: "4f7k2m9x",
            request: REQUEST,
            expires: EXPIRES,
            commands: owned(&["set delivery off", "set hide on"]),
        }
    }
}

impl Letter for Welcome<'_> {
    const NAMES: &'static [&'static str] = &["welcome"];

    fn example() -> Self {
        Welcome {
            list: LIST,
            description: DESCRIPTION,
            address: "bob@example.net",
            post: LIST,
            leave: "dev-leave@lists.example.org",
            request: REQUEST,
            owner: OWNER,
        }
    }
}

impl Letter for Farewell<'_> {
    const NAMES: &'static [&'static str] = &["farewell"];

    fn example() -> Self {
        Farewell {
            list: LIST,
            description: DESCRIPTION,
            address: "bob@example.net",
            join: "dev-join@lists.example.org",
            owner: OWNER,
        }
    }
}

impl Letter for JoinRefused<'_> {
    const NAMES: &'static [&'static str] = &["join-refused"];

    fn example() -> Self {
        JoinRefused { list: LIST, reason: "a moderator has declined", owner: OWNER }
    }
}

impl Letter for Results<'_> {
    const NAMES: &'static [&'static str] = &["results"];

    fn example() -> Self {
        let line = |command: &str, status, text: &str| ResultLine {
            command: command.to_owned(),
            status,
            text: text.to_owned(),
        };
        Results {
            list: LIST,
            request: REQUEST,
            lines: vec![
                line("which", Status::Ok, "dev@lists.example.org\ntwo@lists.example.org"),
                line("who", Status::Refused, "only members may see who is on the list"),
                line("join", Status::Waiting, "answer the mail that was sent to bob@example.net"),
                line("jion", Status::Unknown, "did you mean \"join\"?"),
                line("end", Status::Ok, ""),
            ],
        }
    }
}

impl Letter for Help<'_> {
    const NAMES: &'static [&'static str] = &["help"];

    fn example() -> Self {
        let usage = |usage: &str, meaning: &str| Usage { usage: usage.to_owned(), meaning: meaning.to_owned() };
        Help {
            list: LIST,
            request: REQUEST,
            commands: vec![usage("join [address=ADDRESS]", "join the list"), usage("leave", "leave the list")],
        }
    }
}

impl Letter for Info<'_> {
    const NAMES: &'static [&'static str] = &["info"];

    fn example() -> Self {
        Info {
            list: LIST,
            description: DESCRIPTION,
            post: LIST,
            request: REQUEST,
            join: "dev-join@lists.example.org",
            leave: "dev-leave@lists.example.org",
            owner: OWNER,
            policies: owned(&["Members may post.", "Anybody may join."]),
        }
    }
}

impl Letter for Moderate<'_> {
    const NAMES: &'static [&'static str] = &["moderate", "moderate-request"];

    fn example() -> Self {
        let hit = |rule: &str, reason: &str| RuleHit { rule: rule.to_owned(), reason: reason.to_owned() };
        Moderate {
            list: LIST,
            author: "mallory@example.net",
            subject: SUBJECT,
            message_id: "1@example.net",
            size: "12 KiB",
            since: SINCE,
            expires: EXPIRES,
            reasons: vec![
                hit("implicit-destination", "dev@lists.example.org is in neither To nor Cc"),
                hit("nonmember-moderation", "mallory@example.net is not a member, and the list holds …"),
            ],
            excerpt: owned(&["Hello,", "", "approve", "how do I get this to compile?"]),
            approve: "dev-approve+4f7k2m9x@lists.example.org",
            reject: "dev-reject+4f7k2m9y@lists.example.org",
            discard: "dev-discard+4f7k2m9z@lists.example.org",
            id: "7",
            waiting: 3,
        }
    }
}

impl Letter for Summary<'_> {
    const NAMES: &'static [&'static str] = &["summary"];

    fn example() -> Self {
        let item = |id: &str, author: &str, subject: &str, reasons: &str, asks| SummaryItem {
            id: id.to_owned(),
            author: author.to_owned(),
            subject: subject.to_owned(),
            reasons: reasons.to_owned(),
            since: SINCE.to_owned(),
            expires: EXPIRES.to_owned(),
            asks,
        };
        Summary {
            list: LIST,
            count: 12,
            more: 10,
            items: vec![
                item("7", "mallory@example.net", SUBJECT, "implicit-destination, nonmember-moderation", false),
                item("8", "carol@example.com", "join dev@lists.example.org", "subscribe-policy", true),
            ],
        }
    }
}

impl Letter for Decided<'_> {
    const NAMES: &'static [&'static str] = &["decided"];

    fn example() -> Self {
        Decided { list: LIST, by: "moira@example.org", lines: owned(&["7: approved: A & B (mallory@example.net)"]) }
    }
}

impl Letter for Ack<'_> {
    const NAMES: &'static [&'static str] = &["ack"];

    fn example() -> Self {
        Ack { list: LIST, subject: SUBJECT }
    }
}

impl Letter for Probe<'_> {
    const NAMES: &'static [&'static str] = &["probe"];

    fn example() -> Self {
        Probe { list: LIST, address: "bob@example.net", since: SINCE, evidence: EVIDENCE, owner: OWNER }
    }
}

impl Letter for Bounced<'_> {
    const NAMES: &'static [&'static str] = &["delivery-off", "bounced-out"];

    fn example() -> Self {
        Bounced {
            list: LIST,
            address: "bob@example.net",
            since: SINCE,
            evidence: EVIDENCE,
            confirm: "dev-confirm+4f7k2m9x@lists.example.org",
            token: "4f7k2m9x",
            request: REQUEST,
            expires: EXPIRES,
            owner: OWNER,
        }
    }
}

impl Letter for BounceReport<'_> {
    const NAMES: &'static [&'static str] = &["bounce-report"];

    fn example() -> Self {
        BounceReport { list: LIST, lines: owned(&["bob@example.net: the test came back, too."]) }
    }
}

impl Letter for BounceUnread<'_> {
    const NAMES: &'static [&'static str] = &["bounce-unread"];

    fn example() -> Self {
        BounceUnread { list: LIST, bounces: "dev-bounces@lists.example.org" }
    }
}
