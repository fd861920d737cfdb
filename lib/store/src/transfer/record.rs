//! What a store holds, in records that are the same for every backend.

use std::collections::BTreeMap;

use listmill_core::{
    Address, AuditRecord, Ban, BanScope, BounceRecord, BounceTally, Decision, HeldId, HeldPost, ListAddress, Member,
    MessageFile, Request, SigningKeys, Timestamp, Trust,
};
use listmill_queue_format::EntryId;
use serde::{Deserialize, Serialize};

/// One kind of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Table {
    /// The keys of return paths and tokens.
    SigningKeys,
    /// Lists with their own settings.
    Lists,
    /// Rosters.
    Members,
    /// Held posts with their message files.
    Held,
    /// Decisions, with the message files of posts that can come back.
    Decisions,
    /// Unconfirmed requests.
    Requests,
    /// What is known of failed deliveries.
    Bounces,
    /// What is counted of failed deliveries.
    Tallies,
    /// What tallies have counted once.
    CountedOnce,
    /// Bans of lists.
    ListBans,
    /// Bans of the site.
    SiteBans,
    /// Letters that were spent.
    Spent,
    /// Ids of batches that were applied.
    Applied,
    /// Outgoing entries.
    Outbox,
    /// The audit log.
    Audit,
}

impl Table {
    /// Every table, in the order in which a store is filled.
    pub const ALL: [Table; 15] = [
        Table::SigningKeys,
        Table::Lists,
        Table::Members,
        Table::Held,
        Table::Decisions,
        Table::Requests,
        Table::Bounces,
        Table::Tallies,
        Table::CountedOnce,
        Table::ListBans,
        Table::SiteBans,
        Table::Spent,
        Table::Applied,
        Table::Outbox,
        Table::Audit,
    ];

    /// Its place in [`ALL`](Self::ALL).
    pub(super) fn position(self) -> usize {
        Self::ALL.iter().position(|table| *table == self).expect("every table is one of all")
    }

    /// What it is called in front of an operator.
    pub fn name(self) -> &'static str {
        match self {
            Table::SigningKeys => "signing keys",
            Table::Lists => "lists",
            Table::Members => "people",
            Table::Held => "held posts",
            Table::Decisions => "decisions",
            Table::Requests => "requests",
            Table::Bounces => "records of failed deliveries",
            Table::Tallies => "tallies",
            Table::CountedOnce => "counted once",
            Table::ListBans => "bans of lists",
            Table::SiteBans => "bans of the site",
            Table::Spent => "budgets",
            Table::Applied => "applied batches",
            Table::Outbox => "outbox",
            Table::Audit => "audit log",
        }
    }

    /// Each list has its own.
    pub fn is_of_a_list(self) -> bool {
        matches!(
            self,
            Table::Members
                | Table::Held
                | Table::Decisions
                | Table::Requests
                | Table::Bounces
                | Table::Tallies
                | Table::CountedOnce
                | Table::ListBans
        )
    }

    /// Its records may hold messages: a page of them has few.
    pub(super) fn has_messages(self) -> bool {
        matches!(self, Table::Held | Table::Decisions | Table::Outbox)
    }
}

/// One record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "record")]
pub enum Record {
    /// All signing keys.
    SigningKeys {
        /// They.
        keys: SigningKeys,
    },
    /// A list.
    List {
        /// Its identity.
        list: ListAddress,
        /// When it was created.
        created: Timestamp,
        /// Its own settings.
        own: BTreeMap<String, String>,
        /// The last number that a held post was given.
        last_held: HeldId,
    },
    /// A person on a list.
    Member {
        /// Which list.
        list: ListAddress,
        /// The person.
        member: Member,
    },
    /// A held post.
    Held {
        /// What a moderator sees.
        post: HeldPost,
        /// Its message file; none: it is lost.
        file: Option<MessageFile>,
    },
    /// A decision.
    Decision {
        /// It.
        decision: Decision,
        /// The message file of a post that can come back.
        file: Option<MessageFile>,
    },
    /// An unconfirmed request.
    Request {
        /// It.
        request: Request,
    },
    /// What is known of somebody's failed deliveries.
    Bounces {
        /// It.
        bounces: BounceRecord,
    },
    /// A tally.
    Tally {
        /// Which list.
        list: ListAddress,
        /// It.
        tally: BounceTally,
    },
    /// What a tally has counted once.
    CountedOnce {
        /// Which list.
        list: ListAddress,
        /// The tally's name.
        name: String,
        /// What.
        what: String,
    },
    /// A ban.
    Ban {
        /// It.
        ban: Ban,
    },
    /// Letters that were spent.
    Spent {
        /// The day (UTC), counted from 1970.
        day: i64,
        /// On whose word.
        trust: Trust,
        /// For a whole domain, and not for an address.
        domain: bool,
        /// The domain, or the key of the address.
        name: String,
        /// How many.
        letters: u32,
    },
    /// The id of a batch that was applied.
    Applied {
        /// It.
        id: EntryId,
        /// When, in seconds since 1970.
        at: i64,
    },
    /// What a batch has in the outbox.
    Outbox {
        /// The batch.
        id: EntryId,
        /// Its outgoing entries.
        files: Vec<MessageFile>,
    },
    /// A record of the audit log.
    Audit {
        /// Its number.
        number: u64,
        /// It.
        audit: AuditRecord,
    },
}

impl Record {
    /// Its table, and the list whose it is.
    pub(super) fn place(&self) -> (Table, Option<&ListAddress>) {
        match self {
            Record::SigningKeys { .. } => (Table::SigningKeys, None),
            Record::List { .. } => (Table::Lists, None),
            Record::Member { list, .. } => (Table::Members, Some(list)),
            Record::Held { post, .. } => (Table::Held, Some(&post.list)),
            Record::Decision { decision, .. } => (Table::Decisions, Some(&decision.post.list)),
            Record::Request { request } => (Table::Requests, Some(&request.list)),
            Record::Bounces { bounces } => (Table::Bounces, Some(&bounces.list)),
            Record::Tally { list, .. } => (Table::Tallies, Some(list)),
            Record::CountedOnce { list, .. } => (Table::CountedOnce, Some(list)),
            Record::Ban { ban: Ban { scope: BanScope::List(list), .. } } => (Table::ListBans, Some(list)),
            Record::Ban { .. } => (Table::SiteBans, None),
            Record::Spent { .. } => (Table::Spent, None),
            Record::Applied { .. } => (Table::Applied, None),
            Record::Outbox { .. } => (Table::Outbox, None),
            Record::Audit { .. } => (Table::Audit, None),
        }
    }

    /// The message files that it has.
    pub(crate) fn files(&self) -> impl Iterator<Item = &MessageFile> {
        let (one, many) = match self {
            Record::Held { file, .. } | Record::Decision { file, .. } => (file.as_ref(), [].as_slice()),
            Record::Outbox { files, .. } => (None, files.as_slice()),
            _ => (None, [].as_slice()),
        };
        one.into_iter().chain(many)
    }

    /// Whom it is about, where that is its place among those of its list.
    pub(crate) fn address(&self) -> Option<&Address> {
        match self {
            Record::Member { member, .. } => Some(&member.address),
            Record::Bounces { bounces } => Some(&bounces.address),
            _ => None,
        }
    }

    /// The name of the tally that it is.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Record::Tally { tally, .. } => Some(&tally.name),
            _ => None,
        }
    }
}
