//! The rules, one a file; the file's name is the rule's, with hyphens. Each has `look`, which says what it saw; the
//! table in `chain.rs` says what follows from it.

pub(crate) mod administrivia;
pub(crate) mod approved;
pub(crate) mod automatic_reply;
pub(crate) mod banned;
pub(crate) mod doubtful_author;
pub(crate) mod emergency;
pub(crate) mod header_match;
pub(crate) mod implicit_destination;
pub(crate) mod r#loop;
pub(crate) mod max_recipients;
pub(crate) mod max_size;
pub(crate) mod member_moderation;
pub(crate) mod no_subject;
pub(crate) mod nonmember_moderation;
