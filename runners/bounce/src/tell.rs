//! What the owners of a list are told: a few letters a day, each of as many lines as there are things to say.

use listmill_core::{BounceEvent, Cause, Member, Role, Unavailable, leads_back};
use listmill_letters::{Letter, language_of};
use listmill_mail::compose::Room;
use listmill_templates::{BounceReport, Scope};

use crate::brake::post_of;
use crate::record::in_words;
use crate::session::Session;

/// Letters to the owners of a list on one day.
const LETTERS: u32 = 10;

/// Lines of a letter.
const LINES: usize = 50;

/// A sentence for owners: a phrase, and what is filled in.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    key: &'static str,
    cause: Option<Cause>,
    values: Vec<(&'static str, String)>,
}

impl Line {
    /// A sentence about this failure.
    pub(crate) fn of(key: &'static str, event: &BounceEvent) -> Self {
        let line = Line { key, cause: Some(event.cause), values: Vec::new() };
        let relay = event.relay.rsplit('/').next().unwrap_or_default();
        line.with("evidence", in_words(event)).with("post", post_of(event).to_owned()).with("relay", relay.to_owned())
    }

    /// A sentence about this address.
    pub(crate) fn about(key: &'static str, address: &str) -> Self {
        Line { key, cause: None, values: vec![("address", address.to_owned())] }
    }

    /// With this value, too.
    pub(crate) fn with(mut self, name: &'static str, value: String) -> Self {
        self.values.push((name, value));
        self
    }
}

impl Session<'_> {
    /// Writes what there is to tell to the owners of the list, unless the day has had enough letters.
    pub(crate) fn tell_owners(&mut self) -> Result<(), Unavailable> {
        let lines = std::mem::take(&mut self.lines);
        if lines.is_empty() || !self.list.settings.bounce_reports {
            return Ok(());
        }
        let today = format!("letters/{}", self.cx.now.strftime("%Y%m%d"));
        if self.tally(&today)? >= LETTERS {
            self.log(format!("the owners of {} have had their letters of the day", self.list.address));
            return Ok(());
        }
        let owners = self.in_charge()?;
        if owners.is_empty() {
            self.log(format!("{} has no owner who could be told", self.list.address));
            return Ok(());
        }
        self.count(&today, None, Some(LETTERS), "");
        let list = self.list;
        for owner in owners {
            let language = language_of(Some(&owner), list).to_owned();
            let lines = self.in_language(&lines, &language);
            let letter =
                Letter { room: Room::Known, ..Letter::from_owners("bounce-report", list, &owner.address, &language) };
            self.write(&letter, &BounceReport { list: list.address.as_str(), lines }, |_| {});
        }
        Ok(())
    }

    fn in_language(&self, lines: &[Line], language: &str) -> Vec<String> {
        let scope = Scope { list: Some(&self.list.address), language };
        let templates = &self.config.letters.templates;
        let mut said: Vec<_> = lines
            .iter()
            .take(LINES)
            .map(|line| {
                let key = line.cause.map(|cause| format!("cause-{cause}"));
                let cause = key.map(|key| templates.phrase(&key, scope, &[])).unwrap_or_default();
                let mut values: Vec<_> = line.values.iter().map(|(name, value)| (*name, value.as_str())).collect();
                values.push(("cause", &cause));
                templates.phrase(line.key, scope, &values)
            })
            .collect();
        if lines.len() > LINES {
            said.push(templates.phrase("bounce-more", scope, &[("count", &(lines.len() - LINES).to_string())]));
        }
        said
    }

    /// The owners of the list, or else its moderators, of whom each is a person.
    pub(crate) fn in_charge(&self) -> Result<Vec<Member>, Unavailable> {
        for role in [Role::Owner, Role::Moderator] {
            let mut people = Vec::new();
            for person in self.view.staff(&self.list.address, role)? {
                if !leads_back(self.view, &person.address, &self.list.address)? {
                    people.push(person);
                }
            }
            if !people.is_empty() {
                return Ok(people);
            }
        }
        Ok(Vec::new())
    }
}
