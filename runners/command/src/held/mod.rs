//! What waits for a moderator, posts and people's wishes alike: who is told of it, what is decided about it, and by which way.
//!
//! There is one function that decides, [`decide::decide_one`]. Commands, tokens in addresses, lines of an answer, the clock and the command
//! line all come to it. `specs/moderation-by-mail.md` says what each way asks for.

mod announce;
mod answer;
mod decide;
mod excerpt;
mod later;
mod operator;
mod others;
mod post;
mod shown;
mod standing;
mod summary;
mod tell;
mod token;
mod wish;

pub(crate) use announce::announce;
pub(crate) use answer::answer;
pub(crate) use decide::{Came, Decree, decide, decide_one};
pub(crate) use later::{defer, undo};
pub use operator::{Operated, Order};
pub(crate) use others::{Deed, tell_others};
pub(crate) use post::record;
pub(crate) use standing::{ban, moderate, trust, unban};
pub(crate) use summary::{list, summaries};
pub(crate) use token::{by_token, cancel};
pub(crate) use wish::hold_request;
