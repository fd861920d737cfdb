//! Bounces in crowds: what is promised of many at once, day after day, under a clock that the test sets.

use jiff::SignedDuration;
use listmill_core::{
    Address, BounceState, By, CLOCK, Context, Delivery, Disposition, ListAddress, StoreChange, StoreView, Timestamp,
};
use listmill_mail::verp::return_path;
use listmill_queue_format::{Entry, EntryId, Envelope, Outcome, Queue, Recipient, Subaddress};
use listmill_tests::view::MemoryView;

use crate::site::{Site, written};

const DEV: &str = "dev@lists.example.org";
const MEMBERS: usize = 100;

fn dev() -> ListAddress {
    DEV.parse().unwrap()
}

/// A list of a hundred, and the clock of the test.
struct Mill {
    view: MemoryView,
    now: Timestamp,
    entries: u16,
    /// What has left for members and owners, by text.
    left: Vec<(String, Entry)>,
}

impl Mill {
    fn new(member: impl Fn(usize) -> String) -> Mill {
        let members: Vec<_> = (0..MEMBERS).map(|number| format!("{:?}", member(number))).collect();
        let list = format!(
            "[[list]]\naddress = \"{DEV}\"\nmembers = [{}]\nmember = [{{ address = \"alice@example.org\", roles = \"owner\" }}]\n",
            members.join(", ")
        );
        let now = "2026-11-02T09:00:00Z".parse().unwrap();
        Mill { view: MemoryView::from_toml(&list).unwrap(), now, entries: 0, left: Vec::new() }
    }

    fn entry(&mut self, subaddress: Option<(&str, &str)>, message: &str) -> Entry {
        self.entries += 1;
        let mut chance = [0; 10];
        chance[..2].copy_from_slice(&self.entries.to_be_bytes());
        let id = EntryId::fresh(self.now, chance);
        let mut entry = Entry::arrived(id, self.now, Envelope::default(), message.as_bytes().into());
        entry.queue = Queue::Bounce;
        entry.list = subaddress.is_none_or(|(word, _)| word != CLOCK).then(|| DEV.to_owned());
        entry.facts.subaddress = subaddress.map(|(word, detail)| Subaddress {
            word: word.to_owned(),
            detail: detail.to_owned(),
            other: Default::default(),
        });
        entry
    }

    fn carry_out(&mut self, entry: &Entry) -> usize {
        let decided = Site::default().decide(entry, &self.view, Context { now: self.now, seed: 1 });
        let changes: Vec<StoreChange> = decided
            .iter()
            .filter_map(|one| match one {
                Disposition::Change(change) => Some(change.clone()),
                _ => None,
            })
            .collect();
        self.view.apply(&changes, self.now).unwrap();
        for one in &decided {
            if let (Some(entry), Disposition::Notify { reason, .. }) = (written(one), one) {
                self.left.push((reason.split(' ').next().unwrap().to_owned(), entry.clone()));
            }
            if let (Some(entry), Disposition::Forward { .. }) = (written(one), one) {
                self.carry_out(&entry.clone());
            }
        }
        changes.len()
    }

    fn tick(&mut self) {
        let tick = self.entry(Some((CLOCK, "tick")), "");
        self.carry_out(&tick);
    }

    /// The copies of one post for these members come back: in the dialogue, with this reply.
    fn refused(&mut self, post: u8, members: &[Address], (code, status, text): (u16, &str, &str)) {
        let post = EntryId::fresh(self.now, [post; 10]);
        let keys = MemoryView::keys();
        let lines = members.iter().map(|who| (who.to_string(), return_path(&keys, &dev(), who, post, self.now)));
        let lines = lines.collect();
        self.refuse(lines, (code, status, text));
    }

    fn refuse(&mut self, lines: Vec<(String, String)>, (code, status, text): (u16, &str, &str)) {
        let mut entry = self.entry(None, "");
        entry.recipients = lines
            .into_iter()
            .map(|(address, return_path)| Recipient {
                address,
                return_path,
                outcome: Some(Outcome {
                    at: self.now,
                    code,
                    status: status.to_owned(),
                    text: text.to_owned(),
                    other: Default::default(),
                }),
                ..Recipient::default()
            })
            .collect();
        self.carry_out(&entry);
    }

    /// Every probe that has left comes back.
    fn probes_come_back(&mut self, reply: (u16, &str, &str)) {
        let probes = self.of("probe").into_iter().flat_map(|entry| entry.recipients);
        let lines = probes.map(|recipient| (recipient.address, recipient.return_path)).collect();
        self.refuse(lines, reply);
    }

    fn of(&self, text: &str) -> Vec<Entry> {
        self.left.iter().filter(|(of, _)| of == text).map(|(_, entry)| entry.clone()).collect()
    }

    fn members(&self) -> Vec<Address> {
        self.view.roster(&dev(), None, 999).unwrap().into_iter().map(|member| member.address).collect()
    }

    fn disabled(&self) -> Vec<Address> {
        let roster = self.view.roster(&dev(), None, 999).unwrap().into_iter();
        roster.filter(|member| member.delivery == Delivery::Off(By::Bounces)).map(|member| member.address).collect()
    }

    fn probed(&self) -> usize {
        let state = |who: &Address| self.view.bounces(&dev(), who).unwrap().map(|record| record.state);
        self.members().iter().filter(|who| matches!(state(who), Some(BounceState::Probed { .. }))).count()
    }

    fn next_day(&mut self) {
        self.now += SignedDuration::from_hours(24);
    }
}

fn at_one_of_two(number: usize) -> String {
    format!("m{number:03}@{}", if number < 40 { "large.example.com" } else { "example.net" })
}

fn at(mill: &Mill, domain: &str) -> Vec<Address> {
    mill.members().into_iter().filter(|who| who.domain() == domain).collect()
}

#[test]
fn ten_thousand_forged_bounces_for_a_hundred_members_score_nobody() {
    let mut mill = Mill::new(at_one_of_two);
    let members = mill.members();
    let (keys, post) = (listmill_core::SigningKeys::new(vec![[8; 32]]).unwrap(), EntryId::fresh(mill.now, [1; 10]));
    let message = "From: MAILER-DAEMON@example.com\r\nSubject: failure notice\r\nAuto-Submitted: auto-replied\r\n\r\n\
                   550 5.1.1 no such user\r\n";
    for number in 0..10_000 {
        let who = &members[number % MEMBERS];
        let path = return_path(&keys, &dev(), who, post, mill.now);
        let detail = path.split_once('+').unwrap().1.split('@').next().unwrap();
        let entry = mill.entry(Some(("bounces", detail)), message);
        assert_eq!(mill.carry_out(&entry), 0, "nothing is committed");
    }
    mill.tick();
    assert!(members.iter().all(|who| mill.view.bounces(&dev(), who).unwrap().is_none()));
    assert_eq!((mill.view.bounce_tallies(&dev(), None, 9).unwrap(), mill.left.len()), (Vec::new(), 0));
}

#[test]
fn a_post_that_one_provider_refuses_for_two_in_five_disables_nobody() {
    // As what it is, and as what filters say it is.
    for reply in [(550, "5.7.1", "message rejected as spam"), (550, "5.1.1", "no such user here")] {
        let mut mill = Mill::new(at_one_of_two);
        let theirs = at(&mill, "large.example.com");
        assert_eq!(theirs.len(), 40);
        for post in 1..=8 {
            mill.refused(post, &theirs, reply);
            mill.tick();
            mill.next_day();
        }
        mill.tick();
        assert_eq!((mill.probed(), mill.disabled(), mill.of("probe").len()), (0, Vec::new(), 0), "{reply:?}");
        let told = mill.of("bounce-report").len();
        assert!((8..=16).contains(&told), "the owner hears of each post, not of each member: {told} {reply:?}");
    }
}

#[test]
fn of_a_dead_domain_all_thirty_are_probed_then_disabled_and_nobody_else() {
    let mut mill =
        Mill::new(|number| format!("m{number:03}@{}", if number < 30 { "dead.example.com" } else { "example.net" }));
    let theirs = at(&mill, "dead.example.com");
    let reply = (550, "5.1.2", "Host or domain name not found");
    for post in 1..=5 {
        mill.refused(post, &theirs, reply);
        mill.tick();
        assert_eq!(mill.probed(), if post == 5 { 30 } else { 0 }, "day {post}");
        mill.next_day();
    }
    assert_eq!((mill.disabled(), mill.of("probe").len()), (Vec::new(), 30));
    mill.probes_come_back(reply);
    mill.tick();
    assert_eq!(mill.disabled(), theirs);
    assert_eq!(mill.of("delivery-off").len(), 30);
    assert_eq!(mill.of("bounce-report").len(), 2, "the owner learns of thirty in one letter a step");
    // Four weeks later they are gone, and nobody else is.
    for _ in 0..4 {
        (0..7).for_each(|_| mill.next_day());
        mill.tick();
    }
    assert_eq!((mill.members().len(), at(&mill, "dead.example.com").len()), (MEMBERS + 1 - 30, 0));
    assert_eq!((mill.of("delivery-off").len(), mill.of("bounced-out").len()), (90, 30));
}

#[test]
fn a_few_dead_addresses_among_many_are_found_while_a_provider_refuses_a_post() {
    let mut mill = Mill::new(at_one_of_two);
    let (theirs, others) = (at(&mill, "large.example.com"), at(&mill, "example.net"));
    for post in 1..=6 {
        // Another post each day is refused by the provider; the one before it reached everybody but three.
        mill.refused(post, &others[..3], (550, "5.1.1", "no such user"));
        mill.refused(100 + post, &theirs, (550, "5.7.1", "message rejected as spam"));
        mill.tick();
        mill.next_day();
    }
    assert_eq!(mill.probed(), 3);
    mill.probes_come_back((550, "5.1.1", "no such user"));
    mill.tick();
    assert_eq!(mill.disabled(), others[..3]);
}

/// The next host took each copy, and a host further on reports that there is no such mailbox.
fn reported(mill: &mut Mill, post: u8, who: &Address, host: &str) {
    let post = EntryId::fresh(mill.now, [post; 10]);
    let path = return_path(&MemoryView::keys(), &dev(), who, post, mill.now);
    let detail = path.split_once('+').unwrap().1.split('@').next().unwrap();
    let message = format!(
        "From: MAILER-DAEMON@mx.example.org\r\nSubject: Undelivered Mail\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\
         Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.org\r\n\r\n\
         Final-Recipient: rfc822; {who}\r\nAction: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns; {host}\r\n\
         Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n\r\n--b--\r\n"
    );
    let entry = mill.entry(Some(("bounces", detail)), &message);
    mill.carry_out(&entry);
}

fn days_of_reports(mill: &mut Mill, dead: &[Address], host: impl Fn(usize) -> String) {
    for post in 1..=5 {
        for (number, who) in dead.iter().enumerate() {
            reported(mill, post, who, &host(number));
        }
        mill.tick();
        mill.next_day();
    }
}

#[test]
fn a_list_of_which_two_in_five_are_gone_at_many_hosts_is_cleaned_up() {
    let mut mill = Mill::new(at_one_of_two);
    let dead: Vec<_> =
        at(&mill, "large.example.com").into_iter().chain(at(&mill, "example.net").into_iter().take(5)).collect();
    // Three at each host of fifteen organisations.
    days_of_reports(&mut mill, &dead, |number| format!("mx.host{}.example", (b'a' + (number % 15) as u8) as char));
    assert_eq!(mill.probed(), 45);
    mill.probes_come_back((550, "5.1.1", "no such user"));
    mill.tick();
    let mut disabled = mill.disabled();
    disabled.sort_unstable_by_key(ToString::to_string);
    assert_eq!(disabled, {
        let mut all = dead;
        all.sort_unstable_by_key(ToString::to_string);
        all
    });
}

#[test]
fn what_one_host_or_our_next_one_says_of_two_in_five_is_not_believed() {
    let mut mill = Mill::new(at_one_of_two);
    let theirs = at(&mill, "large.example.com");
    days_of_reports(&mut mill, &theirs, |number| format!("mx{number}.large.example"));
    assert_eq!(mill.probed(), 0, "hosts of one organisation");
    // Each of a domain of its own, but it is our smarthost that says so.
    let mut mill = Mill::new(|number| format!("m{number:03}@host{number}.example.com"));
    let members: Vec<_> = mill.members().into_iter().take(40).collect();
    for post in 1..=6 {
        mill.refused(post, &members, (550, "5.1.1", "no such user"));
        mill.tick();
        mill.next_day();
    }
    assert_eq!((mill.probed(), mill.disabled()), (0, Vec::new()));
}
