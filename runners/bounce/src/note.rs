//! A failure comes in, and is noted.
//!
//! This is done for each bounce, so it changes little: what a day has said of a member before, or what is braked already, changes nothing.

use listmill_core::{BounceRecord, BounceState, By, Delivery, Role, StoreChange, Unavailable};

use crate::failed::{Failed, STEP};
use crate::record;
use crate::session::Session;

/// Notes a failure.
pub(crate) fn note(s: &mut Session<'_>, failed: Failed) -> Result<(), Unavailable> {
    let (list, who) = (&s.list.address, &failed.claim.recipient);
    let member = view_member(s, &failed)?;
    let Some(member) = member else {
        s.log(format!("{who} is no longer a member"));
        return Ok(());
    };
    let before = s.view.bounces(list, who)?;
    let instead = before.as_ref().map(|before| before.by);
    let record = before.unwrap_or_else(|| record::empty(list, &member.address, s.entry.id));
    let record = record::begun_anew(record, &member, s.cx.now);
    let noted = if failed.claim.is_probe {
        probe(s, record, &failed)
    } else if matches!(member.delivery, Delivery::Off(By::Bounces | By::Owner | By::Member)) {
        s.log(format!("delivery to {who} is off already"));
        None
    } else {
        post(s, record, &failed)?
    };
    if let Some(record) = noted {
        s.change(StoreChange::NoteBounces { record: BounceRecord { by: s.entry.id, ..record }, instead });
    }
    Ok(())
}

/// The member whom it concerns; people in charge who are no members get no posts.
fn view_member(s: &Session<'_>, failed: &Failed) -> Result<Option<listmill_core::Member>, Unavailable> {
    let member = s.view.member(&s.list.address, &failed.claim.recipient)?;
    Ok(member.filter(|member| member.roles.has(Role::Member)))
}

/// A probe came back. Only the one that is on its way counts, and only if the fault is the recipient's.
fn probe(s: &mut Session<'_>, mut record: BounceRecord, failed: &Failed) -> Option<BounceRecord> {
    let who = &record.address;
    match &mut record.state {
        BounceState::Probed { probe, failed: has_failed @ false, .. } if failed.claim.is_of(*probe) => {
            let cause = failed.cause;
            if failed.scores {
                *has_failed = true;
                record.due = s.cx.now;
                s.log(format!("the probe of {who} came back ({cause})"));
            } else {
                s.log(format!("the probe of {who} came back, and the fault is not the recipient's ({cause})"));
            }
            record::add(&mut record, failed.event(&s.list.settings, s.cx.now));
            Some(record)
        }
        _ => {
            s.log(format!("no probe of {who} is on its way that this could be"));
            None
        }
    }
}

/// A post came back.
fn post(s: &mut Session<'_>, mut record: BounceRecord, failed: &Failed) -> Result<Option<BounceRecord>, Unavailable> {
    let settings = &s.list.settings;
    let event = failed.event(settings, s.cx.now);
    let (who, cause) = (record.address.clone(), event.cause);
    if let Some(brake) = s.brake(&event)? {
        let same = if brake.starts_with("post/") { "with the same post" } else { "at the same relay" };
        s.log(format!("{who}: {cause}, as of many others {same} ({brake}): it does not count"));
        return Ok(None);
    }
    if !record::is_news(&record, &event, |before| s.is_braked(before).map(|braked| !braked))? {
        s.log(format!("{who}: {cause}, which is known of today"));
        return Ok(None);
    }
    s.count_failure(&event, who.domain(), failed.is_own())?;
    record::add(&mut record, event);
    if record.state == BounceState::Scoring {
        let score = record::score(record::counting(&record, settings, s.cx.now));
        let is_too_much = settings.bounce_threshold > 0 && score >= settings.bounce_threshold.saturating_mul(STEP);
        record.due = if is_too_much { s.cx.now } else { record::forgotten_at(&record, s.cx.now) };
        s.log(format!("{who}: {cause}, score {}", record::shown(score)));
    }
    Ok(Some(record))
}
