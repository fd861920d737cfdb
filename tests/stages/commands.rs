//! Whatever people ask of the command stage, in whatever order: the store takes what is decided, nothing is shunted, a list keeps an
//! owner, and a stranger learns nothing about who is on it.

use listmill_core::{Address, Context, Disposition, ListAddress, RequestKind, Role, StoreChange, StoreView, Timestamp};
use listmill_mail::message::Message;
use listmill_mail::token::confirm_token;
use listmill_queue_format::{Entry, EntryId, Envelope, Queue, Subaddress};
use listmill_tests::view::MemoryView;
use proptest::prelude::*;

use crate::site::{Site, written};

const PEOPLE: [&str; 6] = [
    "alice@example.org",
    "dave@example.org",
    "bob@example.net",
    "carol@example.com",
    "erin@example.com",
    "mallory@spam.example",
];

/// Lines, in which `A` stands for somebody's address and `T` for the token of a request that is open.
const LINES: [&str; 52] = [
    "join",
    "join nomail",
    "join address=A",
    "join digest=mime",
    "leave",
    "leave *",
    "leave address=A",
    "confirm T",
    "confirm T",
    "confirm T",
    "cancel T",
    "confirm nothing",
    "which",
    "show",
    "who",
    "set delivery off",
    "set delivery off until 2026-12-24",
    "set delivery on",
    "set hide on",
    "set hide off",
    "set lang de",
    "changeaddr A",
    "changeaddr A A",
    "invite A",
    "add A A",
    "add A",
    "del A",
    "del A A A",
    "ban A",
    "ban @spam.example",
    "unban A",
    "unban @spam.example",
    "trust A",
    "moderate A",
    "trust 1",
    "ban 2",
    "approve 1",
    "approve 1-9",
    "reject 2 off topic",
    "discard 1 2",
    "defer 2",
    "undo",
    "undo 1 2",
    "held",
    "emergency on",
    "config set subscribe_policy open",
    "config set unsubscribe_policy moderate",
    "config unset subscribe_policy",
    "config set footer {{owner}}",
    "stats",
    "help",
    "Dear friends,",
];

#[derive(Debug, Clone)]
struct Mail {
    author: usize,
    proven: bool,
    lines: Vec<(usize, [usize; 3])>,
    minutes: i64,
}

fn mails(authors: std::ops::Range<usize>, proven: BoxedStrategy<bool>) -> impl Strategy<Value = Mail> {
    let people = || 0..PEOPLE.len();
    let line = (0..LINES.len(), [people(), people(), people()]);
    let lines = prop::collection::vec(line, 1..6);
    (authors, proven, lines, prop_oneof![Just(0i64), 0i64..3000]).prop_map(|(author, proven, lines, minutes)| Mail {
        author,
        proven,
        lines,
        minutes,
    })
}

fn store([join, leave, proof, visible]: [&str; 4], members: &str) -> MemoryView {
    let held =
        |id: u32| format!("[[list.held]]\nid = {id}\nauthor = \"{}\"\nsubject = \"x\"\n", PEOPLE[3 + id as usize]);
    let text = format!(
        "[[list]]\naddress = \"dev@lists.example.org\"\nsettings = {{ subscribe_policy = \"{join}\", unsubscribe_policy = \
         \"{leave}\", moderator_proof = \"{proof}\", roster_visibility = \"{visible}\" }}\nmembers = [{members}]\nmember = [{{ \
         address = \"alice@example.org\", roles = \"member+owner\" }}, {{ address = \"dave@example.org\", roles = \
         \"moderator\" }}]\n{}{}\n[[list]]\naddress = \"news@lists.example.org\"\nmembers = [{members}]\n",
        held(1),
        held(2)
    );
    MemoryView::from_toml(&text).unwrap()
}

fn list() -> ListAddress {
    "dev@lists.example.org".parse().unwrap()
}

/// The token of some request that is open, one after the other.
fn token(view: &MemoryView, which: usize) -> String {
    let people = PEOPLE.iter().map(|person| person.parse::<Address>().unwrap());
    let all = people.flat_map(|person| RequestKind::ALL.map(|kind| (kind, person.clone())));
    let open: Vec<_> = all.filter_map(|(kind, person)| view.request(&list(), kind, &person).unwrap()).collect();
    let Some(request) = open.get(which % open.len().max(1)) else { return "a".repeat(26) };
    let kind = request.kind.name();
    confirm_token(&view.signing_keys().unwrap(), &list(), kind, &request.address, request.opened)
}

fn entry(mail: &Mail, view: &MemoryView, number: u8, now: Timestamp) -> Entry {
    let author = PEOPLE[mail.author];
    let domain = author.split_once('@').unwrap().1;
    let proof = if mail.proven {
        format!("Authentication-Results: mx.example.org; dmarc=pass header.from={domain}\r\n")
    } else {
        String::new()
    };
    let lines = mail.lines.iter().map(|(line, people)| {
        let mut line = LINES[*line].replace('T', &token(view, people[0]));
        for person in people {
            line = line.replacen('A', PEOPLE[*person], 1);
        }
        line + "\r\n"
    });
    let message = format!(
        "{proof}From: <{author}>\r\nTo: dev-request@lists.example.org\r\nSubject:\r\nMessage-ID: <{number}@{domain}>\r\n\r\n{}",
        lines.collect::<String>()
    );
    let envelope = Envelope {
        sender: author.to_owned(),
        recipients: vec!["dev-request@lists.example.org".to_owned()],
        ..Envelope::default()
    };
    let mut entry = Entry::arrived(EntryId::fresh(now, [number; 10]), now, envelope, message.into_bytes().into());
    entry.queue = Queue::Command;
    entry.list = Some(list().to_string());
    entry.facts.subaddress =
        Some(Subaddress { word: "request".to_owned(), detail: String::new(), other: Default::default() });
    entry
}

fn changes(decided: &[Disposition]) -> Vec<StoreChange> {
    let change = |disposition: &Disposition| match disposition {
        Disposition::Change(change) => Some(change.clone()),
        _ => None,
    };
    decided.iter().filter_map(change).collect()
}

/// The messages of all letters.
fn letters(decided: &[Disposition]) -> Vec<String> {
    let letters = decided.iter().filter_map(written).filter(|entry| entry.queue == Queue::Outbound);
    letters.map(|entry| String::from_utf8_lossy(&entry.message).into_owned()).collect()
}

const POLICIES: [&str; 4] = ["open", "confirm", "moderate", "confirm+moderate"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_takes_whatever_is_decided(
        mails in prop::collection::vec(mails(0..PEOPLE.len(), any::<bool>().boxed()), 1..12),
        policies in (0..4usize, 0..4usize),
        proof in prop::sample::select(vec!["aligned", "confirm", "token"]),
    ) {
        let mut view = store([POLICIES[policies.0], POLICIES[policies.1], proof, "members"], "\"bob@example.net\", \"carol@example.com\"");
        let mut now: Timestamp = "2026-11-22T09:00:00Z".parse().unwrap();
        for (number, mail) in (1..).zip(&mails) {
            now += jiff::SignedDuration::from_mins(mail.minutes);
            let entry = entry(mail, &view, number, now);
            let decided = Site::default().decide(&entry, &view, Context { now, seed: 1 });
            let shunted = decided.iter().any(|one| matches!(one, Disposition::Shunt { .. }));
            prop_assert!(!shunted, "{decided:?}");
            if let Err(refusal) = view.apply(&changes(&decided), now) {
                return Err(TestCaseError::fail(format!("{refusal}: {}", String::from_utf8_lossy(&entry.message))));
            }
            prop_assert!(!view.staff(&list(), Role::Owner).unwrap().is_empty(), "{decided:?}");
            for letter in letters(&decided) {
                let message = Message::parse(letter.as_bytes());
                prop_assert!(message.has("Auto-Submitted") && !message.has("Bcc"), "{letter}");
            }
        }
    }

    #[test]
    fn a_stranger_gets_the_same_answer_for_a_member_and_a_nonmember(
        mail in mails(4..5, Just(false).boxed()),
        more in mails(5..6, any::<bool>().boxed()),
        policies in (0..4usize, 0..4usize),
    ) {
        let now: Timestamp = "2026-11-22T09:00:00Z".parse().unwrap();
        let [without, with] = ["\"bob@example.net\"", "\"bob@example.net\", \"erin@example.com\""]
            .map(|members| store([POLICIES[policies.0], POLICIES[policies.1], "aligned", "owners"], members));
        let mut more = more;
        // Of Erin alone the two stores know different things.
        more.lines.iter_mut().for_each(|(_, people)| *people = [4; 3]);
        for mail in [mail, more] {
            let [first, second] = [&without, &with].map(|view| {
                let decided = Site::default().decide(&entry(&mail, view, 1, now), view, Context { now, seed: 1 });
                letters(&decided)
            });
            prop_assert_eq!(first, second);
        }
    }
}
