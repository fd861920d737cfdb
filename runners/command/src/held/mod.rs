//! What waits for a moderator: notices about it, and decisions.

use listmill_core::{Context, Disposition, HeldId, List, StoreView, Unavailable, Verdict};
use listmill_mail::message::Message;
use listmill_mail::token::Act;
use listmill_queue_format::Entry;

use crate::ask::Whom;
use crate::config::CommandConfig;
use crate::session::{Said, Session};

type Outcome = Result<Said, Unavailable>;

/// A post was held: its moderators and its author are told.
pub(crate) fn announce(
    _config: &CommandConfig,
    _entry: &Entry,
    _held: &str,
    _list: &List,
    _view: &dyn StoreView,
    _cx: Context,
) -> Result<Vec<Disposition>, Unavailable> {
    Ok(Vec::new())
}
/// An answer to a notice or a summary: `dev-request+TOKEN@`.
pub(crate) fn answer(_s: &mut Session<'_>, _token: &str, _message: &Message<'_>) -> Result<(), Unavailable> {
    Ok(())
}
/// A mail to `dev-approve+TOKEN@`, `dev-reject+TOKEN@`, `dev-discard+TOKEN@`.
pub(crate) fn by_token(
    _s: &mut Session<'_>,
    _act: Act,
    _token: &str,
    _message: &Message<'_>,
) -> Result<(), Unavailable> {
    Ok(())
}
/// The author takes their own post back.
pub(crate) fn cancel(s: &mut Session<'_>, _token: &str) -> Outcome {
    Ok(s.refused("no", &[]))
}
pub(crate) fn list(s: &mut Session<'_>) -> Outcome {
    Ok(s.refused("no", &[]))
}
pub(crate) fn decide(s: &mut Session<'_>, _verdict: Verdict, _ids: &[HeldId], _reason: &str) -> Outcome {
    Ok(s.refused("no", &[]))
}
pub(crate) fn defer(s: &mut Session<'_>, _ids: &[HeldId]) -> Outcome {
    Ok(s.refused("no", &[]))
}
pub(crate) fn undo(s: &mut Session<'_>, _ids: &[HeldId]) -> Outcome {
    Ok(s.refused("no", &[]))
}
pub(crate) fn trust(s: &mut Session<'_>, _whom: &[Whom]) -> Outcome {
    Ok(s.refused("no", &[]))
}
pub(crate) fn moderate(s: &mut Session<'_>, _whom: &[Whom]) -> Outcome {
    Ok(s.refused("no", &[]))
}
pub(crate) fn ban(s: &mut Session<'_>, _whom: &[Whom]) -> Outcome {
    Ok(s.refused("no", &[]))
}
pub(crate) fn unban(s: &mut Session<'_>, _patterns: &[String]) -> Outcome {
    Ok(s.refused("no", &[]))
}
/// Keeps the wish to join or leave of somebody else for a moderator, as a held post is kept. `asks` is the canonical command line.
pub(crate) fn hold_request(s: &mut Session<'_>, _asks: &str) -> Outcome {
    Ok(s.refused("no", &[]))
}
