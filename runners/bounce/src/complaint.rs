//! A member complains to their provider about mail of the list, and the provider reports it (RFC 5965, RFC 9477).
//!
//! Whom it is about a signed id of ours must say: the return path, the id in our own field, or the address to leave by in the message that
//! is complained about. Addresses are what providers take out of a report, and what anybody can write into one.

use listmill_core::settings::Complaint;
use listmill_core::{Address, BounceRecord, RequestKind, Role, StoreChange, Unavailable, Word};
use listmill_mail::bounce::Report;
use listmill_mail::listheaders::FEEDBACK_ID;
use listmill_mail::token::read_unsubscribe;
use listmill_mail::verp::{self, VerpClaim};

use crate::record;
use crate::session::Session;
use crate::stage::RETURNS;
use crate::steps;
use crate::tell::Line;

/// Kinds of reports in which a person complains.
const COMPLAINTS: [&str; 3] = ["abuse", "fraud", "opt-out"];

/// A feedback report; `claim` is what the address says that it came to.
pub(crate) fn complaint(s: &mut Session<'_>, claim: Option<VerpClaim>, report: &Report) -> Result<(), Unavailable> {
    let kind = report.feedback.as_ref().map(|feedback| feedback.kind.as_str()).unwrap_or_default();
    if !COMPLAINTS.contains(&kind) {
        s.log(format!("a feedback report of the kind {kind:?}, which asks for nothing"));
        return Ok(());
    }
    let who = match claim.filter(is_own) {
        Some(claim) => Some(claim.recipient),
        None => signed(s, report)?,
    };
    let Some(who) = who else {
        s.log("a feedback report without an id that we have signed: nobody is concerned".to_owned());
        return Ok(());
    };
    let member = s.view.member(&s.list.address, &who)?.filter(|member| member.roles.has(Role::Member));
    let Some(member) = member else {
        s.log(format!("{who} complains, and is no longer a member"));
        return Ok(());
    };
    let policy = s.list.settings.feedback_reports;
    let before = s.view.bounces(&s.list.address, &who)?;
    if policy == Complaint::Off || before.as_ref().is_some_and(|before| before.complained.is_some()) {
        s.log(format!("{who} complains, and nothing follows from it"));
        return Ok(());
    }
    s.log(format!("{who} complains: {policy}"));
    if policy == Complaint::Leave {
        s.close(RequestKind::Delivery, &who)?;
        steps::leave(s, &member);
        s.lines.push(Line::about("bounce-complained-left", who.as_str()));
        return Ok(());
    }
    let instead = before.as_ref().map(|before| before.by);
    let now = s.cx.now;
    let mut record = before.unwrap_or_else(|| record::empty(&s.list.address, &member.address, s.entry.id));
    if instead.is_none() {
        record.due = record::forgotten_at(&record, now);
    }
    let record = BounceRecord { by: s.entry.id, complained: Some(now), ..record };
    s.change(StoreChange::NoteBounces { record, instead });
    s.lines.push(Line::about("bounce-complained", who.as_str()));
    Ok(())
}

/// The recipient is signed as well: who has a copy of the post cannot complain in another one's name.
fn is_own(claim: &VerpClaim) -> bool {
    !claim.is_shared
}

/// Whom a signed id in the report names.
fn signed(s: &Session<'_>, report: &Report) -> Result<Option<Address>, Unavailable> {
    let keys = s.view.signing_keys()?;
    let list = &s.list.address;
    let original = report.original.as_ref();
    let paths = [
        report.feedback.as_ref().and_then(|feedback| feedback.original_mail_from.clone()),
        original.and_then(|original| original.return_path()),
    ];
    let details = paths.iter().flatten().filter_map(|path| s.detail_of(path).map(str::to_owned));
    let ids = original.and_then(|original| original.message().text(FEEDBACK_ID)).map(|id| id.trim().to_owned());
    let claims = details.chain(ids).filter_map(|detail| verp::read(&keys, list, &detail));
    // An old copy of a post lies in many an archive: whoever finds it there has nothing to complain of.
    let claims = claims.filter(|claim| is_own(claim) && claim.age_days(s.cx.now) <= RETURNS);
    if let Some(claim) = claims.into_iter().next() {
        return Ok(Some(claim.recipient));
    }
    let leave = original.and_then(|original| original.message().text("List-Unsubscribe"));
    Ok(leave.and_then(|field| {
        let begin = list.with_word(Word::Leave, "");
        let begin = format!("{}+", begin.split('@').next()?);
        let token = field.split(begin.as_str()).nth(1)?.split('@').next()?;
        read_unsubscribe(&keys, list, token)
    }))
}
