//! The ledger of the client joined with the smarthost's and with the store: what was lost, what happened twice, what nobody had asked for.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::ledger::{Kind, Outcome, Submission, lines};
use super::smarthost::Copy;
use super::traffic::{MEMBERS, member, person};

/// The client's ledger, in the directory of a run.
pub const CLIENT: &str = "client.jsonl";
/// The smarthost's.
pub const SMARTHOST: &str = "smarthost.jsonl";
/// What the store says at the end.
pub const STORE: &str = "store.jsonl";

/// One line of what the store says: this was done so often, by the audit log, and is there or not.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Effect {
    /// What was asked for: never a post.
    pub kind: Kind,
    /// The person that it is about.
    pub person: String,
    /// How many records of the audit log say that it was done.
    pub times: usize,
    /// It is there.
    pub there: bool,
}

/// What is counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Copies of posts.
    Copy,
    /// Letters to who has joined.
    Letter,
    /// Joins in the store.
    Join,
    /// Held posts in the store.
    Held,
    /// Failures noted in the store.
    Bounce,
}

/// Counts of one class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// What must be there, because it was accepted.
    pub due: usize,
    /// What must be there and is not.
    pub lost: usize,
    /// What is there once too often, once for each time.
    pub doubled: usize,
    /// What is there and was never handed in, or was refused.
    pub phantom: usize,
}

/// The counts of all classes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Books(pub BTreeMap<Class, Count>);

impl Books {
    /// Reads and joins the three ledgers of a run.
    pub fn read(run: &Path) -> Books {
        let mut submissions = BTreeMap::new();
        for line in lines::<Submission>(&run.join(CLIENT)) {
            submissions.insert((line.kind, line.number), line.outcome);
        }
        let mut copies: BTreeMap<Copy, usize> = BTreeMap::new();
        lines::<Copy>(&run.join(SMARTHOST)).into_iter().for_each(|copy| *copies.entry(copy).or_default() += 1);
        Books::join(&submissions, &copies, &lines(&run.join(STORE)))
    }

    /// Joins them.
    pub fn join(
        submissions: &BTreeMap<(Kind, u64), Outcome>,
        copies: &BTreeMap<Copy, usize>,
        effects: &[Effect],
    ) -> Books {
        let mut books = Books::default();
        let mut copies = copies.clone();
        // The post that gave those who bounce their return paths is no part of this.
        copies.retain(|copy, _| copy.post.is_none() || !copy.to.starts_with("wide"));
        let mut effects: BTreeMap<(Kind, String), Effect> =
            effects.iter().map(|effect| ((effect.kind, effect.person.clone()), effect.clone())).collect();
        for ((kind, number), outcome) in submissions {
            let person = person(*kind, *number);
            if *kind == Kind::Post {
                books.post(*outcome, (0..MEMBERS).map(|to| take(&mut copies, Some(*number), &member(to))));
                continue;
            }
            let done = effects.remove(&(*kind, person.clone()));
            let times = done.map_or(0, |effect| if effect.there { effect.times.max(1) } else { 0 });
            books.count(class(*kind), *outcome, times);
            if *kind == Kind::Join {
                // Whatever the client knows: a join and its letter go together.
                let due = if times > 0 { Outcome::Accepted } else { *outcome };
                books.count(Class::Letter, due, take(&mut copies, None, &person));
            }
        }
        for copy in copies.keys() {
            let class = if copy.post.is_some() { Class::Copy } else { Class::Letter };
            books.0.entry(class).or_default().phantom += 1;
        }
        effects.keys().for_each(|(kind, _)| books.0.entry(class(*kind)).or_default().phantom += 1);
        books
    }

    /// A post that reached somebody must reach everybody.
    fn post(&mut self, outcome: Outcome, copies: impl Iterator<Item = usize>) {
        let copies: Vec<usize> = copies.collect();
        let begun = outcome == Outcome::Open && copies.iter().any(|times| *times > 0);
        let outcome = if begun { Outcome::Accepted } else { outcome };
        copies.into_iter().for_each(|times| self.count(Class::Copy, outcome, times));
    }

    fn count(&mut self, class: Class, outcome: Outcome, times: usize) {
        let count = self.0.entry(class).or_default();
        match outcome {
            Outcome::Accepted => {
                count.due += 1;
                count.lost += usize::from(times == 0);
            }
            Outcome::Refused => count.phantom += times.min(1),
            Outcome::Open => {}
        }
        count.doubled += times.saturating_sub(1);
    }

    /// Adds the counts of another run.
    pub fn add(&mut self, other: &Books) {
        for (class, count) in &other.0 {
            let sum = self.0.entry(*class).or_default();
            sum.due += count.due;
            sum.lost += count.lost;
            sum.doubled += count.doubled;
            sum.phantom += count.phantom;
        }
    }

    /// What was lost, of any class.
    pub fn lost(&self) -> usize {
        self.0.values().map(|count| count.lost).sum()
    }

    /// What happened too often, of any class.
    pub fn doubled(&self) -> usize {
        self.0.values().map(|count| count.doubled).sum()
    }

    /// What happened too often, but for copies and letters, of which a bounded number may.
    pub fn doubled_in_store(&self) -> usize {
        let in_store = self.0.iter().filter(|(class, _)| !matches!(class, Class::Copy | Class::Letter));
        in_store.map(|(_, count)| count.doubled).sum()
    }

    /// What nobody had asked for.
    pub fn phantom(&self) -> usize {
        self.0.values().map(|count| count.phantom).sum()
    }
}

impl fmt::Display for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| class | due | lost | doubled | phantom |\n| --- | --- | --- | --- | --- |")?;
        for (class, Count { due, lost, doubled, phantom }) in &self.0 {
            let class = format!("{class:?}").to_lowercase();
            writeln!(f, "| {class} | {due} | {lost} | {doubled} | {phantom} |")?;
        }
        Ok(())
    }
}

fn class(kind: Kind) -> Class {
    match kind {
        Kind::Post => Class::Copy,
        Kind::Join => Class::Join,
        Kind::Held => Class::Held,
        Kind::Bounce => Class::Bounce,
    }
}

fn take(copies: &mut BTreeMap<Copy, usize>, post: Option<u64>, to: &str) -> usize {
    copies.remove(&Copy { post, to: to.to_owned() }).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(outcome: Outcome, of: usize, times: usize) -> Count {
        let submissions = BTreeMap::from([((Kind::Post, 7), outcome)]);
        let copies = (0..of).map(|to| (Copy { post: Some(7), to: member(to) }, times)).collect();
        Books::join(&submissions, &copies, &[]).0[&Class::Copy]
    }

    #[test]
    fn what_is_missing_doubled_or_strange_is_counted() {
        let count = |due, lost, doubled, phantom| Count { due, lost, doubled, phantom };
        assert_eq!(counted(Outcome::Accepted, MEMBERS, 1), count(12, 0, 0, 0));
        assert_eq!(counted(Outcome::Accepted, 10, 1), count(12, 2, 0, 0));
        assert_eq!(counted(Outcome::Accepted, MEMBERS, 3), count(12, 0, 24, 0));
        assert_eq!(counted(Outcome::Open, 0, 0), count(0, 0, 0, 0));
        assert_eq!(counted(Outcome::Open, 5, 1), count(12, 7, 0, 0), "to some and not to others");
        assert_eq!(counted(Outcome::Refused, 2, 1), count(0, 0, 0, 2));
        assert_eq!(counted(Outcome::Accepted, MEMBERS + 1, 1), count(12, 0, 0, 1), "to somebody else");
    }

    #[test]
    fn an_effect_and_its_letter_go_together() {
        let submissions = BTreeMap::from([((Kind::Join, 3), Outcome::Open), ((Kind::Held, 4), Outcome::Accepted)]);
        let person = person(Kind::Join, 3);
        let joined = Effect { kind: Kind::Join, person: person.clone(), times: 1, there: true };
        let nobody = Effect { kind: Kind::Bounce, person: "wide9@example.net".to_owned(), times: 1, there: true };
        let books = Books::join(&submissions, &BTreeMap::new(), &[joined.clone(), nobody]);
        assert_eq!(books.0[&Class::Letter].lost, 1);
        assert_eq!((books.0[&Class::Held].lost, books.0[&Class::Bounce].phantom), (1, 1));
        let twice = Effect { times: 2, ..joined };
        let books = Books::join(&submissions, &BTreeMap::from([(Copy { post: None, to: person }, 2)]), &[twice]);
        assert_eq!((books.0[&Class::Letter].doubled, books.0[&Class::Join].doubled), (1, 1));
        assert_eq!((books.doubled(), books.doubled_in_store()), (2, 1));
    }

    #[test]
    fn a_bounce_that_counts_twice_is_doubled_in_the_store() {
        let submissions = BTreeMap::from([((Kind::Bounce, 3), Outcome::Accepted)]);
        let noted = |times| Effect { kind: Kind::Bounce, person: person(Kind::Bounce, 3), times, there: true };
        let doubled = |times| Books::join(&submissions, &BTreeMap::new(), &[noted(times)]).doubled_in_store();
        assert_eq!((doubled(1), doubled(2)), (0, 1));
    }
}
