//! What waits for a moderator, where there is more of it than a case can show: crowds, pages and rounds.

use std::collections::{BTreeMap, BTreeSet};

use listmill_core::{CLOCK, Context, Disposition, HELD, HeldPost, ListAddress, StoreChange, StoreView, Timestamp};
use listmill_mail::message::Message;
use listmill_mail::token::{SummaryClaim, is_summary_token, summary_claim};
use listmill_queue_format::{Entry, EntryId, Envelope, Queue, Subaddress};
use listmill_tests::view::MemoryView;

use crate::site::{Site, written};

const DEV: &str = "dev@lists.example.org";

fn now() -> Timestamp {
    "2026-11-22T09:00:00Z".parse().unwrap()
}

fn dev() -> ListAddress {
    DEV.parse().unwrap()
}

/// A list on which these posts wait since the morning; those in `late` too long.
fn list(address: &str, posts: std::ops::RangeInclusive<u32>, late: bool) -> String {
    let expires = if late { "2026-11-22T08:30:00Z" } else { "2026-12-06T08:00:00Z" };
    let head = format!(
        "[[list]]\naddress = \"{address}\"\nmember = [{{ address = \"dave@example.org\", roles = \"moderator\" }}]\n"
    );
    let post = |id: u32| {
        format!(
            "[[list.held]]\nid = {id}\nauthor = \"p{id}@example.com\"\nsubject = \"Post {id}\"\nsince = \
             \"2026-11-22T08:00:00Z\"\nexpires = \"{expires}\"\n"
        )
    };
    head + &posts.map(post).collect::<String>()
}

fn view(text: &str) -> MemoryView {
    MemoryView::from_toml(text).unwrap()
}

fn entry(list: Option<&str>, word: &str, detail: &str, message: &str) -> Entry {
    let envelope = Envelope { sender: "dave@example.org".to_owned(), ..Envelope::default() };
    let mut entry = Entry::arrived(EntryId::fresh(now(), [3; 10]), now(), envelope, message.as_bytes().into());
    entry.queue = Queue::Command;
    entry.list = list.map(str::to_owned);
    entry.facts.subaddress =
        Some(Subaddress { word: word.to_owned(), detail: detail.to_owned(), other: Default::default() });
    entry
}

/// Decides about an entry, and does to the store what follows.
fn carry_out(entry: &Entry, view: &mut MemoryView) -> Vec<Disposition> {
    let decided = Site::default().decide(entry, view, Context { now: now(), seed: 1 });
    let changes: Vec<_> = decided
        .iter()
        .filter_map(|one| match one {
            Disposition::Change(change) => Some(change.clone()),
            _ => None,
        })
        .collect();
    view.apply(&changes, now()).unwrap();
    decided
}

/// Carries out an entry and all for this queue that follows from it; the letters.
fn all_that_follows(first: Entry, view: &mut MemoryView) -> (Vec<Entry>, usize) {
    let (mut waiting, mut letters, mut carried) = (vec![first], Vec::new(), BTreeSet::new());
    while let Some(entry) = waiting.pop() {
        assert!(carried.insert(entry.id), "each entry has an identity of its own");
        for written in carry_out(&entry, view).iter().filter_map(written) {
            if written.queue == Queue::Command { waiting.push(written.clone()) } else { letters.push(written.clone()) }
        }
    }
    (letters, carried.len())
}

fn letters_by_reader(letters: &[Entry]) -> BTreeMap<String, usize> {
    let mut readers = BTreeMap::new();
    for letter in letters {
        *readers.entry(letter.recipients[0].address.clone()).or_default() += 1;
    }
    readers
}

#[test]
fn when_fifty_wait_the_summary_is_enough() {
    for (waiting, readers) in [(49, vec!["dave@example.org", "p1@example.com"]), (50, vec!["p1@example.com"])] {
        let mut view = view(&list(DEV, 1..=waiting, false));
        let held = view.held(&dev(), None, 1).unwrap().remove(0).entry;
        let (letters, _) = all_that_follows(entry(Some(DEV), HELD, &held.to_string(), ""), &mut view);
        assert_eq!(letters_by_reader(&letters).keys().collect::<Vec<_>>(), readers, "{waiting}");
    }
}

fn waiting(view: &MemoryView) -> usize {
    let lists = view.lists(None, 500).unwrap();
    lists.iter().map(|list| view.held(&list.address, None, 500).unwrap().len()).sum()
}

/// So many lists, of which every third has a post that has lapsed.
fn many_lists(many: u32) -> String {
    let posts = |number: u32| 1..=u32::from(number.is_multiple_of(3));
    (0..many).map(|number| list(&format!("l{number:03}@lists.example.org"), posts(number), true)).collect()
}

#[test]
fn a_tick_comes_to_every_list_at_once() {
    let mut view = view(&many_lists(120));
    let (letters, carried) = all_that_follows(entry(None, CLOCK, "tick", ""), &mut view);
    assert_eq!((letters.len(), carried), (3, 1), "the day allows three letters to one stranger");
    assert_eq!(waiting(&view), 0);
    let (letters, carried) = all_that_follows(entry(None, CLOCK, "tick", ""), &mut view);
    assert_eq!((letters.len(), carried), (0, 1), "nothing is left to do");
}

#[test]
fn a_day_comes_to_every_list_and_to_each_once() {
    let mut view = view(&many_lists(120));
    let (letters, carried) = all_that_follows(entry(None, CLOCK, "day", ""), &mut view);
    assert_eq!((letters.len(), carried), (40, 3 + 40), "three pages of lists, and the 40 on which something waits");
}

#[test]
fn whatever_the_clock_does_changes_something() {
    for what in ["tick", "day"] {
        let mut view = view(&many_lists(7));
        let mut entries = vec![entry(None, CLOCK, what, "")];
        while let Some(entry) = entries.pop() {
            let decided = carry_out(&entry, &mut view);
            assert!(decided.iter().any(|one| matches!(one, Disposition::Change(_))), "{what}: {decided:?}");
            entries.extend(decided.iter().filter_map(written).filter(|one| one.queue == Queue::Command).cloned());
        }
    }
}

#[test]
fn a_great_many_posts_lapse_some_at_a_time() {
    let news = list("news@lists.example.org", 1..=130, true).replace("p1", "q1");
    let mut view = view(&(list(DEV, 1..=120, true) + &news));
    let (letters, carried) = all_that_follows(entry(None, CLOCK, "tick", ""), &mut view);
    assert_eq!(carried, 3, "a hundred, a hundred, fifty");
    assert_eq!((waiting(&view), view.decisions(&dev(), None, 500).unwrap().len()), (0, 120));
    let readers = letters_by_reader(&letters);
    assert_eq!((letters.len(), readers.len()), (250, 120 + 42), "each author once for each post");
    let mut view = self::view(&list(DEV, 1..=200, true));
    assert_eq!(all_that_follows(entry(None, CLOCK, "tick", ""), &mut view).1, 3, "the last one finds nothing");
}

#[test]
fn lost_posts_lapse_and_hold_up_nobody() {
    let lost = list(DEV, 1..=150, true).replace("expires", "lost = true\nexpires");
    let mut view = view(&(lost + &list("news@lists.example.org", 1..=1, true)));
    let (letters, carried) = all_that_follows(entry(None, CLOCK, "tick", ""), &mut view);
    assert_eq!((waiting(&view), letters.len(), carried), (0, 1, 2));
}

/// What the summary's answer goes to.
fn token_of(summary: &Entry) -> (String, SummaryClaim) {
    let message = Message::parse(&summary.message);
    let (_, address) = message.addresses("Reply-To").remove(0);
    let token = address.split_once('+').unwrap().1.split_once('@').unwrap().0.to_owned();
    let claim = summary_claim(&token).unwrap();
    (token, claim)
}

#[test]
fn a_summary_shows_a_hundred_and_its_answer_decides_about_these() {
    let mut view = view(&list(DEV, 1..=130, false));
    let (letters, _) = all_that_follows(entry(None, CLOCK, "day", ""), &mut view);
    let [summary] = letters.as_slice() else { panic!("one moderator, one summary: {}", letters.len()) };
    let (token, claim) = token_of(summary);
    assert_eq!((claim.first, claim.last), (1, 100));
    let posts = view.held(&dev(), None, 100).unwrap();
    let items: Vec<_> = posts.iter().map(|post| (post.id, post.sha256.as_str())).collect();
    let dave = "dave@example.org".parse().unwrap();
    assert!(is_summary_token(&MemoryView::keys(), &dev(), &dave, claim, &items, &token));
    let answer = "Authentication-Results: mx.example.org; dmarc=pass header.from=example.org\r\nFrom: dave@example.org\r\n\
                  Subject: Re: x\r\nIn-Reply-To: <1@lists.example.org>\r\n\r\nd 1-90\r\nd 100 101\r\n";
    let (letters, _) = all_that_follows(entry(Some(DEV), "request", &token, answer), &mut view);
    let left: Vec<_> = view.held(&dev(), None, 500).unwrap().iter().map(|post| post.id).collect();
    assert_eq!(left, (91..=99).chain(101..=130).collect::<Vec<_>>());
    assert_eq!(letters_by_reader(&letters), BTreeMap::from([("dave@example.org".to_owned(), 1)]));
    // The rest of it, answered once more with the same summary.
    let again = entry(Some(DEV), "request", &token, &answer.replace("d 1-90\r\nd 100 101", "d 95 90"));
    let again = Entry { id: again.id.derive("again", 0), ..again };
    all_that_follows(again, &mut view);
    assert!(view.decision(&dev(), 95).unwrap().is_some());
    let (letters, _) = all_that_follows(entry(None, CLOCK, "day", ""), &mut view);
    assert_eq!(token_of(&letters[0]).1.last, 130, "the next summary shows the others");
}

#[test]
fn a_summary_can_be_answered_although_a_post_came_back_since() {
    let decided = "[[list.decided]]\nid = 2\nauthor = \"p2@example.com\"\nsince = \"2026-11-22T08:00:00Z\"\nverdict = \"discard\"\nby = \
                   \"dave@example.org\"\nat = \"2026-11-22T08:55:00Z\"\n";
    let third = "[[list.held]]\nid = 3\nauthor = \"p3@example.com\"\nsince = \"2026-11-22T08:00:00Z\"\n";
    let mut view = view(&format!("{}{third}{decided}", list(DEV, 1..=1, false)));
    let (letters, _) = all_that_follows(entry(None, CLOCK, "day", ""), &mut view);
    let (token, _) = token_of(&letters[0]);
    let mail = |lines: &str| {
        format!(
            "Authentication-Results: mx.example.org; dmarc=pass header.from=example.org\r\nFrom: dave@example.org\r\n\
             Subject: x\r\nIn-Reply-To: <1@lists.example.org>\r\n\r\n{lines}\r\n"
        )
    };
    all_that_follows(entry(Some(DEV), "request", "", &mail("undo 2")), &mut view);
    let left = |view: &MemoryView| view.held(&dev(), None, 9).unwrap().iter().map(|post| post.id).collect::<Vec<_>>();
    assert_eq!(left(&view), [1, 2, 3]);
    let answer = entry(Some(DEV), "request", &token, &mail("d 1-3"));
    all_that_follows(Entry { id: answer.id.derive("later", 0), ..answer }, &mut view);
    assert_eq!(left(&view), [2], "the summary did not show it");
}

/// A mail of the moderator, from a host that vouches for it.
fn of_dave(lines: &str) -> String {
    format!(
        "Authentication-Results: mx.example.org; dmarc=pass header.from=example.org\r\nFrom: dave@example.org\r\n\
         Subject: x\r\nIn-Reply-To: <1@lists.example.org>\r\n\r\n{lines}\r\n"
    )
}

fn left(view: &MemoryView) -> Vec<u64> {
    view.held(&dev(), None, 1000).unwrap().iter().map(|post| post.id).collect()
}

#[test]
fn a_summary_shows_what_nobody_knows_the_bytes_of_and_its_answer_decides_about_the_others() {
    let posts = list(DEV, 1..=3, false).replacen("author = \"p2@", "sha256 = \"\"\nauthor = \"p2@", 1);
    let mut view = view(&posts);
    let (letters, _) = all_that_follows(entry(None, CLOCK, "day", ""), &mut view);
    let (token, _) = token_of(&letters[0]);
    assert!(String::from_utf8_lossy(&letters[0].message).contains("Post 2"));
    all_that_follows(entry(Some(DEV), "request", &token, &of_dave("d 1-3")), &mut view);
    assert_eq!(left(&view), [2]);
}

#[test]
fn one_mail_decides_about_five_hundred_at_most() {
    let mut view = view(&list(DEV, 1..=501, false));
    all_that_follows(entry(Some(DEV), "request", "", &of_dave("discard 1-400\r\nreject 401-501")), &mut view);
    assert_eq!(left(&view), [501]);
}

#[test]
fn one_mail_lets_so_many_octets_through_at_most() {
    let mut view = view(&list(DEV, 1..=3, false));
    let posts = view.held(&dev(), None, 3).unwrap();
    for (of, size) in posts.iter().zip([40 << 20, 30 << 20, 20 << 20]) {
        let (post, file) = view.held_entry(&dev(), of.id).unwrap().unwrap();
        let post = HeldPost { size, entry: post.entry.derive("large", 0), ..post };
        view.apply(&[StoreChange::Hold { post, file }], now()).unwrap();
    }
    assert_eq!(left(&view), [1, 2, 3, 4, 5, 6]);
    all_that_follows(entry(Some(DEV), "request", "", &of_dave("approve 4-6\r\ndiscard 1")), &mut view);
    assert_eq!(left(&view), [2, 3, 5], "40 MiB and 20 MiB, and not the 30 MiB between them");
}

#[test]
fn a_thousand_nonmembers_are_trusted_by_mail() {
    let allowed = (0..999).map(|number| format!("a{number}@example.net")).collect::<Vec<_>>().join(" ");
    let mut view = view(&list(DEV, 1..=2, false).replacen(
        "[[list.held]]",
        &format!("[list.settings]\nallowed_nonmembers = \"{allowed}\"\n[[list.held]]"),
        1,
    ));
    let (letters, _) = all_that_follows(entry(Some(DEV), "request", "", &of_dave("trust 1\r\ntrust 2")), &mut view);
    assert_eq!(view.list(&dev()).unwrap().unwrap().settings.allowed_nonmembers.len(), 1000);
    assert!(left(&view).is_empty(), "both are approved");
    let answer = String::from_utf8(letters.last().unwrap().message.to_vec()).unwrap();
    assert!(answer.contains("p2@example.com cannot be allowed"), "{answer}");
}
