//! Which list, and which address of it?

use crate::{Address, List, ListAddress, StoreView, Unavailable};

/// The words behind a list's name, and the one name that each has in the message file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Word {
    /// Commands in subject and body.
    Request,
    /// Join.
    Join,
    /// Leave.
    Leave,
    /// A confirmation by plain reply.
    Confirm,
    /// A moderator's decision: let the post through.
    Approve,
    /// A moderator's decision: send it back with a reason.
    Reject,
    /// A moderator's decision: drop it.
    Discard,
    /// To the owners.
    Owner,
    /// Delivery failures.
    Bounces,
    /// Complaints, from providers (RFC 5965, RFC 9477).
    Fbl,
    /// The author takes back what they asked for, or their held post.
    Cancel,
    /// Help about commands.
    Help,
    /// What the list is.
    Info,
    /// One's own membership.
    Query,
    /// To the moderators.
    Moderators,
}

impl Word {
    /// Every spelling that is understood, and its word.
    pub const SPELLINGS: &'static [(&'static str, Word)] = &[
        ("request", Word::Request),
        ("join", Word::Join),
        ("subscribe", Word::Join),
        ("leave", Word::Leave),
        ("unsubscribe", Word::Leave),
        ("confirm", Word::Confirm),
        ("approve", Word::Approve),
        ("reject", Word::Reject),
        ("discard", Word::Discard),
        ("owner", Word::Owner),
        ("bounces", Word::Bounces),
        ("fbl", Word::Fbl),
        ("cancel", Word::Cancel),
        ("help", Word::Help),
        ("info", Word::Info),
        ("faq", Word::Info),
        ("query", Word::Query),
        ("moderators", Word::Moderators),
        ("editor", Word::Moderators),
        // As mlmmj and ezmlm call them: people and links of a list that came from there.
        ("confsub", Word::Confirm),
        ("confunsub", Word::Confirm),
        ("release", Word::Approve),
        ("moderate", Word::Approve),
        ("accept", Word::Approve),
        ("permit", Word::Approve),
        ("obstruct", Word::Reject),
        ("unsub", Word::Leave),
        ("sc", Word::Confirm),
        ("uc", Word::Confirm),
        ("tc", Word::Approve),
        ("vc", Word::Approve),
    ];

    /// The spellings that no new list's name may end in. The others are for a list of that name to take: it wins.
    pub const RESERVED: [&'static str; 11] = [
        "request",
        "join",
        "subscribe",
        "leave",
        "unsubscribe",
        "confirm",
        "approve",
        "reject",
        "discard",
        "owner",
        "bounces",
    ];

    /// The name in the message file and in the addresses that we write.
    pub fn name(self) -> &'static str {
        match self {
            Word::Request => "request",
            Word::Join => "join",
            Word::Leave => "leave",
            Word::Confirm => "confirm",
            Word::Approve => "approve",
            Word::Reject => "reject",
            Word::Discard => "discard",
            Word::Owner => "owner",
            Word::Bounces => "bounces",
            Word::Fbl => "fbl",
            Word::Cancel => "cancel",
            Word::Help => "help",
            Word::Info => "info",
            Word::Query => "query",
            Word::Moderators => "moderators",
        }
    }

    /// The word of this name.
    pub fn named(name: &str) -> Option<Word> {
        Word::SPELLINGS.iter().find(|(spelling, word)| *spelling == name && word.name() == name).map(|(_, word)| *word)
    }
}

/// What an address of ours stands for.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// The list.
    pub list: List,
    /// The word behind its name; none for a post.
    pub word: Option<Word>,
    /// What stands behind the word, as it was written: a token, an encoded recipient.
    pub detail: String,
}

/// Which list `address` belongs to, and which address of it that is; none when no list has it.
///
/// A real list whose name ends in a reserved word wins over the subaddress. Between the name and the word stands `-` or
/// `+`, between the word and the detail `+` (or `-`, where a mail system reserves `+`). The word is looked for from the left of what
/// follows the name, so a detail may hold any of them.
///
/// # Errors
/// [`Unavailable`] when the view cannot be read now.
pub fn resolve(view: &dyn StoreView, address: &Address) -> Result<Option<Resolved>, Unavailable> {
    let local = address.local();
    if let Some(list) = find(view, local, address.domain())? {
        return Ok(Some(Resolved { list, word: None, detail: String::new() }));
    }
    // From the right, so that of `a-join` and `a` the longer list name is tried first.
    for (at, _) in local.rmatch_indices(['-', '+']) {
        let Some((word, detail)) = word_and_detail(&local[at + 1..]) else { continue };
        if let Some(list) = find(view, &local[..at], address.domain())? {
            return Ok(Some(Resolved { list, word: Some(word), detail: detail.to_owned() }));
        }
    }
    Ok(None)
}

/// No person stands behind `address` for mail about `list`: it is one of the same list, so that the mail would come back here, or one
/// with a word (`-owner`, `-request`, `-bounces`) of another list, from which it may.
///
/// # Errors
/// [`Unavailable`] when the view cannot be read now.
pub fn leads_back(view: &dyn StoreView, address: &Address, list: &ListAddress) -> Result<bool, Unavailable> {
    let resolved = resolve(view, address)?;
    Ok(resolved.is_some_and(|resolved| resolved.word.is_some() || resolved.list.address == *list))
}

fn word_and_detail(text: &str) -> Option<(Word, &str)> {
    // ezmlm sets a dot behind its short words: `dev-sc.1764000000.token@`.
    let dotted = ["sc.", "uc.", "tc.", "vc."]
        .iter()
        .any(|short| text.get(..3).is_some_and(|begin| begin.eq_ignore_ascii_case(short)));
    let marks: &[char] = if dotted { &['.'] } else { &['+', '-'] };
    let (word, detail) = match text.find(marks) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, ""),
    };
    let word = Word::SPELLINGS.iter().find(|(spelling, _)| spelling.eq_ignore_ascii_case(word))?.1;
    Some((word, detail))
}

fn find(view: &dyn StoreView, name: &str, domain: &str) -> Result<Option<List>, Unavailable> {
    match format!("{name}@{domain}").parse::<ListAddress>() {
        Ok(list) => view.list(&list),
        Err(_) => Ok(None),
    }
}
