//! A person on a list.

use std::fmt;
use std::str::FromStr;

use crate::text_serde::text_serde;
use serde::{Deserialize, Serialize};

use crate::{Action, Address, Timestamp};

/// A person on a list, with all that the list knows of them.
///
/// The roster stores a million of these: what has its default value is not written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The address.
    pub address: Address,
    /// Display name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What they are on this list.
    #[serde(default, skip_serializing_if = "Roles::is_default")]
    pub roles: Roles,
    /// How they receive.
    #[serde(default, skip_serializing_if = "Delivery::is_default")]
    pub delivery: Delivery,
    /// How their posts are treated.
    #[serde(default, skip_serializing_if = "Moderation::is_default")]
    pub moderation: Moderation,
    /// The language of mail from us (BCP 47); the list's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// What else they have chosen.
    #[serde(default, skip_serializing_if = "Preferences::is_default")]
    pub preferences: Preferences,
    /// When a delivery that is switched off begins again by itself, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumes: Option<i64>,
    /// When they joined, in seconds since 1970.
    pub joined: i64,
}

/// What a member chooses about their copies and about being seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Preferences {
    /// Gets a note when an own post is distributed.
    pub ack: bool,
    /// Gets a copy of own posts.
    pub myposts: bool,
    /// Gets a copy although To or Cc names them.
    pub duplicates: bool,
    /// Is left out when others ask who is on the list.
    pub hide: bool,
}

impl Default for Preferences {
    fn default() -> Self {
        Preferences { ack: false, myposts: true, duplicates: true, hide: false }
    }
}

impl Preferences {
    fn is_default(&self) -> bool {
        *self == Preferences::default()
    }

    /// The names, each with its value, in order.
    pub fn named(&self) -> [(&'static str, bool); 4] {
        [("ack", self.ack), ("myposts", self.myposts), ("duplicates", self.duplicates), ("hide", self.hide)]
    }

    /// Sets the preference of this name; false when there is none.
    pub fn set(&mut self, name: &str, on: bool) -> bool {
        let preference = match name {
            "ack" => &mut self.ack,
            "myposts" => &mut self.myposts,
            "duplicates" => &mut self.duplicates,
            "hide" => &mut self.hide,
            _ => return false,
        };
        *preference = on;
        true
    }
}

impl fmt::Display for Preferences {
    /// What differs from the defaults: `ack=on hide=on`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chosen = self.named().into_iter().zip(Preferences::default().named());
        let chosen = chosen.filter(|(own, built_in)| own != built_in).map(|((name, on), _)| {
            let word = if on { "on" } else { "off" };
            format!("{name}={word}")
        });
        f.write_str(&chosen.collect::<Vec<_>>().join(" "))
    }
}

impl FromStr for Preferences {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut preferences = Preferences::default();
        for word in text.split_ascii_whitespace() {
            let known = match word.split_once('=') {
                Some((name, "on")) => preferences.set(name, true),
                Some((name, "off")) => preferences.set(name, false),
                _ => false,
            };
            if !known {
                return Err(format!("{word:?} is not a preference: ack, myposts, duplicates, hide, each =on or =off"));
            }
        }
        Ok(preferences)
    }
}

impl Member {
    /// A member with every default, who joined at `joined` seconds since 1970.
    pub fn new(address: Address, joined: i64) -> Self {
        Member {
            address,
            name: String::new(),
            roles: Roles::default(),
            delivery: Delivery::default(),
            moderation: Moderation::default(),
            language: None,
            preferences: Preferences::default(),
            resumes: None,
            joined,
        }
    }

    /// Posts are delivered to them, one by one, at this moment.
    pub fn receives_each(&self, now: Timestamp) -> bool {
        let resumed = self.resumes.is_some_and(|at| at <= now.as_second());
        self.roles.has(Role::Member) && (self.delivery == Delivery::Each || resumed)
    }
}

/// What a person is on a list; one person may be several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Receives posts and may write.
    Member,
    /// Decides about held posts.
    Moderator,
    /// Decides about everything.
    Owner,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 3] = [Role::Member, Role::Moderator, Role::Owner];

    /// The name on the command line and in the store.
    pub fn name(self) -> &'static str {
        match self {
            Role::Member => "member",
            Role::Moderator => "moderator",
            Role::Owner => "owner",
        }
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Role::ALL
            .into_iter()
            .find(|role| role.name() == word)
            .ok_or_else(|| format!("{word:?} is not a role: member, moderator, owner"))
    }
}

/// A set of roles: `member+owner`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Roles {
    bits: u8,
}

impl Roles {
    /// No role.
    pub const NONE: Roles = Roles { bits: 0 };

    /// Only this role.
    pub fn only(role: Role) -> Self {
        Roles::NONE.with(role)
    }

    /// This set and `role`.
    #[must_use]
    pub fn with(self, role: Role) -> Self {
        Roles { bits: self.bits | 1 << role as u8 }
    }

    /// This set less `role`.
    #[must_use]
    pub fn without(self, role: Role) -> Self {
        Roles { bits: self.bits & !(1 << role as u8) }
    }

    /// `role` is in the set.
    pub fn has(self, role: Role) -> bool {
        self.bits & 1 << role as u8 != 0
    }

    /// There is a role besides `member`: the store keeps an index of these people.
    pub fn is_staff(self) -> bool {
        self.has(Role::Moderator) || self.has(Role::Owner)
    }

    /// The roles, in order.
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |role| self.has(*role))
    }

    fn is_default(&self) -> bool {
        *self == Roles::default()
    }
}

impl Default for Roles {
    fn default() -> Self {
        Roles::only(Role::Member)
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(Role::name).collect();
        f.write_str(&names.join("+"))
    }
}

impl FromStr for Roles {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.split('+')
            .filter(|word| !word.is_empty())
            .try_fold(Roles::NONE, |roles, word| Ok(roles.with(word.parse()?)))
    }
}

/// Who switched a delivery off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum By {
    /// The member.
    Member,
    /// An owner.
    Owner,
    /// We, after bounces.
    Bounces,
}

/// How a member receives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// Each post, as it comes.
    #[default]
    Each,
    /// Nothing; and who wanted that.
    Off(By),
}

impl Delivery {
    fn is_default(&self) -> bool {
        *self == Delivery::default()
    }
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Delivery::Each => "each",
            Delivery::Off(By::Member) => "off:member",
            Delivery::Off(By::Owner) => "off:owner",
            Delivery::Off(By::Bounces) => "off:bounces",
        })
    }
}

impl FromStr for Delivery {
    type Err = String;

    /// A bare `off` is the owner's word: who else would be at the command line?
    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "each" => Ok(Delivery::Each),
            "off:member" => Ok(Delivery::Off(By::Member)),
            "off" | "off:owner" => Ok(Delivery::Off(By::Owner)),
            "off:bounces" => Ok(Delivery::Off(By::Bounces)),
            "digest" => Err("this version sends no digests yet: each, off".to_owned()),
            _ => Err(format!("{word:?} is not a delivery mode: each, off")),
        }
    }
}

/// How a member's posts are treated: as the list's `member_action` says, or as decided for this person.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Moderation {
    /// As the list says.
    #[default]
    Default,
    /// Always thus.
    Always(Action),
}

impl Moderation {
    fn is_default(&self) -> bool {
        *self == Moderation::default()
    }
}

impl fmt::Display for Moderation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Moderation::Default => f.write_str("default"),
            Moderation::Always(action) => action.fmt(f),
        }
    }
}

impl FromStr for Moderation {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "default" => Ok(Moderation::Default),
            _ => word
                .parse()
                .map(Moderation::Always)
                .map_err(|_| format!("{word:?} is not a moderation: default, accept, hold, reject, discard")),
        }
    }
}

text_serde!(Roles, Delivery, Moderation, Preferences);
