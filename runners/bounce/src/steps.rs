//! What follows from failures, once it is due: a probe, delivery off, notices, removal. Each step is one for one member, and each
//! looks again at whether it is still right.

use jiff::SignedDuration;
use listmill_core::{
    BounceEvent, BounceRecord, BounceState, By, Delivery, Member, RequestKind, Role, Roles, StoreChange, Timestamp,
    Unavailable, Word,
};
use listmill_letters::{Letter, language_of};
use listmill_mail::verp::probe_path;
use listmill_templates::{Bounced, Probe};

use crate::failed::STEP;
use crate::record::{self, in_words};
use crate::session::Session;
use crate::tell::Line;

/// For so long who was removed can come back by a reply.
const WAY_BACK: SignedDuration = SignedDuration::from_hours(30 * 24);

/// For so long nothing happens to a member whose delivery stays off.
const REST: SignedDuration = SignedDuration::from_hours(365 * 24);

/// Takes the step that is due.
pub(crate) fn step(s: &mut Session<'_>, before: BounceRecord) -> Result<(), Unavailable> {
    let instead = before.by;
    let member = s.view.member(&s.list.address, &before.address)?.filter(|member| member.roles.has(Role::Member));
    let Some(member) = member else { return forget(s, before) };
    let mut record = record::begun_anew(before, &member, s.cx.now);
    let goes_on = match record.state.clone() {
        BounceState::Scoring => scoring(s, &mut record, &member)?,
        BounceState::Probed { failed: true, .. } => disable(s, &mut record, &member)?,
        BounceState::Probed { failed: false, since, .. } => {
            arrived(s, &mut record, since);
            true
        }
        BounceState::Disabled { since, notices } => disabled(s, &mut record, &member, (since, notices))?,
    };
    if goes_on {
        let record = BounceRecord { by: s.entry.id, ..record };
        s.change(StoreChange::NoteBounces { record, instead: Some(instead) });
    }
    Ok(())
}

fn forget(s: &mut Session<'_>, record: BounceRecord) -> Result<(), Unavailable> {
    s.change(StoreChange::ForgetBounces { list: record.list, address: record.address, was: record.by });
    Ok(())
}

/// A probe leaves where the score is too high without what is braked; what is long past is forgotten. False: there is no record any more.
fn scoring(s: &mut Session<'_>, record: &mut BounceRecord, member: &Member) -> Result<bool, Unavailable> {
    let (now, settings) = (s.cx.now, &s.list.settings);
    let mut counting: Vec<BounceEvent> = Vec::new();
    for event in record::counting(record, settings, now) {
        if !s.is_braked(event)? {
            counting.push(event.clone());
        }
    }
    let score = record::score(counting.iter());
    let is_too_much = settings.bounce_threshold > 0 && score >= settings.bounce_threshold.saturating_mul(STEP);
    record.due = record::forgotten_at(record, now);
    if is_too_much && member.delivery == Delivery::Each {
        probe(s, record, member, &counting)?;
    } else if record.due <= now {
        forget(s, record.clone())?;
        return Ok(false);
    } else {
        s.log(format!("{}: score {}, nothing follows", record.address, record::shown(score)));
    }
    Ok(true)
}

fn probe(
    s: &mut Session<'_>,
    record: &mut BounceRecord,
    member: &Member,
    counting: &[BounceEvent],
) -> Result<(), Unavailable> {
    let (Some(first), Some(last)) = (counting.first(), counting.last()) else { return Ok(()) };
    let (list, now, to) = (s.list, s.cx.now, &member.address);
    let language = language_of(Some(member), list);
    let (since, evidence) = (day(first.at), in_words(last));
    let owner = list.address.with_word(Word::Owner, "");
    let values =
        Probe { list: list.address.as_str(), address: to.as_str(), since: &since, evidence: &evidence, owner: &owner };
    let keys = s.view.signing_keys()?;
    let mut probe = s.entry.id;
    s.write(&Letter::from_owners("probe", list, to, language), &values, |entry| {
        probe = entry.id;
        for recipient in &mut entry.recipients {
            recipient.return_path = probe_path(&keys, &list.address, to, entry.id, now);
        }
    });
    record.state = BounceState::Probed { since: now, probe, failed: false };
    record.due = later(now, list.settings.bounce_probe_wait);
    s.lines.push(Line::of("bounce-probed", last).with("address", to.to_string()));
    Ok(())
}

/// The probe has not come back in time.
fn arrived(s: &mut Session<'_>, record: &mut BounceRecord, since: Timestamp) {
    let due = later(since, s.list.settings.bounce_probe_wait);
    if due > s.cx.now {
        // The owners have given it more time.
        record.due = due;
        return;
    }
    record::clear(record, s.cx.now);
    s.lines.push(Line::about("bounce-passed", record.address.as_str()));
}

fn disable(s: &mut Session<'_>, record: &mut BounceRecord, member: &Member) -> Result<bool, Unavailable> {
    if member.delivery != Delivery::Each {
        // Somebody else has switched it off meanwhile, which says more.
        record::clear(record, s.cx.now);
        return Ok(true);
    }
    let was = Box::new(member.clone());
    let member = Member { delivery: Delivery::Off(By::Bounces), resumes: None, ..member.clone() };
    s.change(StoreChange::UpdateMember { list: s.list.address.clone(), was, member: member.clone() });
    if let Some(last) = record::last_evidence(record) {
        s.lines.push(Line::of("bounce-disabled", last).with("address", member.address.to_string()));
    }
    let (since, notices) = (s.cx.now, u32::from(s.list.settings.bounce_notices > 0));
    record.state = BounceState::Disabled { since, notices };
    record.due = later(since, s.list.settings.bounce_notice_interval);
    if notices > 0 {
        notice(s, record, &member, since)?;
    }
    Ok(true)
}

fn disabled(
    s: &mut Session<'_>,
    record: &mut BounceRecord,
    member: &Member,
    (since, notices): (Timestamp, u32),
) -> Result<bool, Unavailable> {
    let settings = &s.list.settings;
    if notices < settings.bounce_notices {
        record.state = BounceState::Disabled { since, notices: notices + 1 };
        record.due = later(s.cx.now, settings.bounce_notice_interval);
        notice(s, record, member, since)?;
        return Ok(true);
    }
    if !settings.bounce_removal {
        record.due = later(s.cx.now, REST);
        return Ok(true);
    }
    remove(s, record, member, since)
}

/// Tells the member that delivery is off, and how to have it on again.
fn notice(s: &mut Session<'_>, record: &BounceRecord, member: &Member, since: Timestamp) -> Result<(), Unavailable> {
    let settings = &s.list.settings;
    let BounceState::Disabled { notices, .. } = record.state else { return Ok(()) };
    let rest = i32::try_from(settings.bounce_notices.saturating_sub(notices)).unwrap_or(i32::MAX);
    let until_removal = settings.bounce_notice_interval.saturating_mul(rest.saturating_add(1));
    let ends = later(s.cx.now, if settings.bounce_removal { until_removal } else { REST });
    // A reply that crosses the removal still says what was wanted.
    let expires = later(ends, SignedDuration::from_hours(24));
    let back = (RequestKind::Delivery, "set delivery on");
    tell_member(s, ("delivery-off", record), member, since, (back, ends, expires))
}

/// The member goes; who is in charge as well stays in charge. False: the record goes along.
fn remove(
    s: &mut Session<'_>,
    record: &mut BounceRecord,
    member: &Member,
    since: Timestamp,
) -> Result<bool, Unavailable> {
    let list = s.list.address.clone();
    s.close(RequestKind::Delivery, &member.address)?;
    if let Some(last) = record::last_evidence(record) {
        s.lines.push(Line::of("bounce-removed", last).with("address", member.address.to_string()));
    }
    leave(s, member);
    let expires = later(s.cx.now, WAY_BACK);
    tell_member(s, ("bounced-out", record), member, since, ((RequestKind::Join, "join"), expires, expires))?;
    if !member.roles.is_staff() {
        return Ok(false);
    }
    let (address, was) = (record.address.clone(), record.by);
    s.change(StoreChange::ForgetBounces { list, address, was });
    Ok(false)
}

/// Takes somebody off the roster, but not out of charge.
pub(crate) fn leave(s: &mut Session<'_>, member: &Member) {
    let list = s.list.address.clone();
    let in_charge = [Role::Owner, Role::Moderator].into_iter().filter(|role| member.roles.has(*role));
    let roles = in_charge.fold(Roles::NONE, Roles::with);
    s.change(if roles == Roles::NONE {
        StoreChange::RemoveMember { list, address: member.address.clone() }
    } else {
        StoreChange::UpdateMember { list, was: Box::new(member.clone()), member: Member { roles, ..member.clone() } }
    });
}

type Back = ((RequestKind, &'static str), Timestamp, Timestamp);

fn tell_member(
    s: &mut Session<'_>,
    (text, record): (&'static str, &BounceRecord),
    member: &Member,
    since: Timestamp,
    (back, ends, expires): Back,
) -> Result<(), Unavailable> {
    let back = s.way_back(back, &member.address, expires)?;
    let list = s.list;
    let evidence = record::last_evidence(record).map(in_words).unwrap_or_default();
    let (since, expires) = (day(since), day(ends));
    let values = Bounced {
        list: list.address.as_str(),
        address: member.address.as_str(),
        since: &since,
        evidence: &evidence,
        confirm: &back.confirm,
        token: &back.token,
        request: &list.address.with_word(Word::Request, ""),
        expires: &expires,
        owner: &list.address.with_word(Word::Owner, ""),
    };
    let letter = Letter {
        from: Word::Request,
        reply_to: Some(&back.confirm),
        ..Letter::from_owners(text, list, &member.address, language_of(Some(member), list))
    };
    s.write(&letter, &values, |_| {});
    Ok(())
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// A day, as people in all languages read it.
fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}
