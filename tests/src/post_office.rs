//! A serving site with its post office: what people write goes in by LMTP, and what they get lies in the sink.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a harness for tests: the clock, and a failure is the end of the test"
)]

use std::collections::BTreeMap;

use listmill_core::{Commit, StoreChange, Timestamp};
use listmill_queue_format::EntryId;
use listmill_store::Store;
use listmill_store::control::RemoteStore;
use serde_json::{Value, json};

use crate::letters::{Letter, Mail, TRUSTED};
use crate::lmtp::Lmtp;
use crate::program::{PATIENCE, Running, Site, wait_for};
use crate::sink::{Script, Sink};

/// The site, serving.
pub struct PostOffice {
    /// What has left.
    pub sink: Sink,
    /// The site.
    pub site: Site,
    running: Option<Running>,
    command: String,
}

impl PostOffice {
    /// A site that believes [`TRUSTED`], and whose site file says `command` in `[command]`.
    pub fn open(command: &str) -> PostOffice {
        let sink = Sink::start(Script::default());
        let site = Site::new(&sink.url("smtp"), &more(command));
        PostOffice { running: Some(site.run()), sink, site, command: command.to_owned() }
    }

    /// Stops serving, and serves again with another `[command]`.
    pub fn reopen(&mut self, command: &str) {
        self.close();
        self.site.configure(&self.sink.url("smtp"), &more(command));
        command.clone_into(&mut self.command);
        self.running = Some(self.site.run());
    }

    /// Stops serving.
    pub fn close(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
    }

    /// The process that serves.
    pub fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    /// New lists, all in one step.
    pub fn lists(&self, lists: impl Iterator<Item = String>, settings: &[(&str, &str)]) {
        let own: BTreeMap<_, _> =
            settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let create = |list: String| StoreChange::CreateList { list: list.parse().unwrap(), own: own.clone() };
        let at = Timestamp::now();
        let commit = Commit {
            id: EntryId::fresh(at, *b"many lists"),
            at,
            by: "operator".to_owned(),
            why: "a test".to_owned(),
            changes: lists.map(create).collect(),
            outgoing: Vec::new(),
        };
        RemoteStore::connect(&self.site.dir().join("data/control.sock")).unwrap().commit(&commit).unwrap();
    }

    /// Hands messages in on so many connections at the same time, as a mail server does; each must be taken.
    pub fn write_all(&self, connections: usize, mails: &[Mail]) {
        std::thread::scope(|scope| {
            for part in mails.chunks(mails.len().div_ceil(connections).max(1)) {
                scope.spawn(move || {
                    let mut lmtp = self.lmtp();
                    part.iter().for_each(|mail| lmtp.post(&mail.sender, &mail.to, &mail.bytes()));
                });
            }
        });
    }

    /// A session with the program, as the mail server has it.
    pub fn lmtp(&self) -> Lmtp {
        Lmtp::connect(self.running().lmtp.unwrap())
    }

    /// Hands a message in.
    pub fn write(&self, mail: &Mail) {
        self.lmtp().post(&mail.sender, &mail.to, &mail.bytes());
    }

    /// Hands a message in, and waits until all that follows from it has happened.
    pub fn write_and_rest(&self, mail: &Mail) {
        self.write(mail);
        self.rest();
    }

    /// Waits until nothing is on its way.
    pub fn rest(&self) {
        let queues = || self.site.json(&["queue", "ls"]);
        let empty = || queues().as_array().unwrap().iter().all(|queue| queue["depth"] == 0);
        // An entry may be written to a queue that was looked at before the one that it comes from; not twice.
        wait_for("the queues to be empty", || empty() && empty());
        for queue in queues().as_array().unwrap() {
            let aside = ["deferred", "shunted", "corrupt"].map(|state| queue[state].as_u64().unwrap());
            assert_eq!(
                aside,
                [0, 0, 0],
                "{queue}: {}",
                self.site.ok(&["queue", "show", queue["queue"].as_str().unwrap()])
            );
        }
    }

    /// Everything that has left, one for each recipient.
    pub fn all(&self) -> Vec<Letter> {
        self.sink.received().iter().flat_map(Letter::read).collect()
    }

    /// The letters to this person: everything but copies of posts.
    pub fn letters(&self, to: &str) -> Vec<Letter> {
        // Only theirs are parsed: tests ask again with each message that leaves.
        let received = self.sink.received();
        let theirs = received.iter().filter(|received| received.recipients.iter().any(|recipient| recipient == to));
        theirs.flat_map(Letter::read).filter(|letter| letter.to == to && !letter.is_copy()).collect()
    }

    /// The letter to this person whose subject has `part` in it; waits for it. There is exactly one.
    pub fn letter(&self, to: &str, part: &str) -> Letter {
        let found =
            || -> Vec<Letter> { self.letters(to).into_iter().filter(|letter| letter.subject.contains(part)).collect() };
        let there = self.sink.wait(PATIENCE, |_| !found().is_empty());
        let mut letters = found();
        assert!(
            there && letters.len() == 1,
            "letters to {to} about {part:?}: {letters:#?}; all: {:#?}",
            self.subjects()
        );
        letters.remove(0)
    }

    /// How many letters to this person have `part` in their subject.
    pub fn count(&self, to: &str, part: &str) -> usize {
        self.letters(to).iter().filter(|letter| letter.subject.contains(part)).count()
    }

    /// Recipient and subject of every letter, for a failure.
    pub fn subjects(&self) -> Vec<String> {
        self.all().iter().map(|letter| format!("{}: {}", letter.to, letter.subject)).collect()
    }

    /// Who has received copies of the post with this subject, and how many.
    pub fn copies(&self, subject: &str) -> BTreeMap<String, usize> {
        let mut copies = BTreeMap::new();
        for letter in self.all().into_iter().filter(|letter| letter.is_copy() && letter.subject == subject) {
            *copies.entry(letter.to).or_default() += 1;
        }
        copies
    }

    /// The held posts of a list.
    pub fn held(&self, list: &str) -> Vec<Value> {
        self.site.json(&["held", "ls", list]).as_array().unwrap().clone()
    }

    /// The addresses of a list's members; who is only in charge is not among them.
    pub fn roster(&self, list: &str) -> Vec<String> {
        let members = self.site.json(&["member", "ls", list, "--role", "member"]);
        members.as_array().unwrap().iter().map(|member| member["address"].as_str().unwrap().to_owned()).collect()
    }

    /// One person's record on a list; none when they are not on it.
    pub fn member(&self, list: &str, address: &str) -> Option<Value> {
        let members = self.site.json(&["member", "ls", list]);
        members.as_array().unwrap().iter().find(|member| member["address"] == address).cloned()
    }

    /// All that the commands of the program show of the lists, their rosters, what is held, and the bans.
    pub fn state(&self) -> Value {
        let lists = self.site.json(&["list", "ls"]);
        let lists = lists.as_array().unwrap().iter().map(|list| {
            let name = list["list"].as_str().or(list["address"].as_str()).unwrap_or_else(|| panic!("{list}"));
            json!({
                "list": name,
                "shown": self.site.json(&["list", "show", name]),
                "roster": self.site.json(&["member", "ls", name]),
                "held": self.site.json(&["held", "ls", name]),
                "bans": self.site.json(&["ban", "ls", "--list", name]),
            })
        });
        json!({ "lists": lists.collect::<Vec<_>>(), "bans": self.site.json(&["ban", "ls"]) })
    }
}

fn more(command: &str) -> String {
    format!("[auth]\ntrusted_authserv_ids = [\"{TRUSTED}\"]\n[command]\n{command}\n")
}
