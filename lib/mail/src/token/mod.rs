//! Tokens: what stands behind the word of an address of ours, and lets whoever has it do one thing.
//!
//! | token | form | bound to |
//! | --- | --- | --- |
//! | unsubscribe | `bob__example.net.MAC` | list, member |
//! | confirmation | `MAC` | list, kind of request, person, the entry that opened it |
//! | decision | `12.MAC` | list, held post, person, act, the digest of the held message |
//! | summary | `1.8.ISSUED.MAC` | list, person, when it was issued, number and digest of every held post in it |
//!
//! `MAC` is 26 base32 digits, a keyed digest of 128 bits. Everything is in lower case and read in either case. No token
//! says who it is for but the unsubscribe token; the others are checked against what the store knows. Whether one was
//! used before, and whether it is too old, are questions for the store and the clock, not for this module.

mod confirm;
mod decision;
mod proof;
mod summary;
mod unsubscribe;

pub use confirm::{confirm_token, handle, is_confirm_token};
pub use decision::{Act, decision_held, decision_token, is_decision_token};
pub use summary::{SummaryClaim, is_summary_token, summary_claim, summary_token};
pub use unsubscribe::{read_unsubscribe, unsubscribe_token};

#[cfg(test)]
mod tests;
