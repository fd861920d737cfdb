//! The stage itself: what came in, and who looks at it.

use listmill_core::{CLOCK, Context, Destination, Disposition, Stage, StoreView, Unavailable, Word, destination};
use listmill_mail::bounce::{self, Kind, Report};
use listmill_mail::limits::excess;
use listmill_mail::message::Message;
use listmill_mail::verp::{self, VerpClaim};
use listmill_queue_format::{Entry, Queue};

use crate::config::BounceConfig;
use crate::failed::Failed;
use crate::session::Session;
use crate::{complaint, day, note, tick, unread};

/// So many days after it left, a copy can still come back.
pub(crate) const RETURNS: u16 = 30;

/// The bounce stage.
#[derive(Debug, Default)]
pub struct Bounce {
    config: BounceConfig,
}

impl Bounce {
    /// A stage for this site.
    pub fn new(config: BounceConfig) -> Self {
        Bounce { config }
    }
}

impl Stage for Bounce {
    const READS: Queue = Queue::Bounce;
    const WRITES: &'static [Queue] = &[Queue::Outbound, Queue::Bounce];

    fn decide(&self, entry: &Entry, view: &dyn StoreView, cx: Context) -> Result<Vec<Disposition>, Unavailable> {
        let to = entry.facts.subaddress.as_ref();
        let clock = to.filter(|to| to.word == CLOCK).map(|to| to.detail.as_str());
        if let (Some(what), None) = (clock, &entry.list) {
            return match what {
                "tick" => tick::tick(&self.config, entry, view, cx),
                "day" => day::all_lists(entry, view, cx),
                _ => Ok(vec![Disposition::Shunt {
                    reason: format!("the clock says {what:?}, which nobody understands"),
                }]),
            };
        }
        let list = match destination(entry, view)? {
            Ok(Destination::List(list)) => list,
            Ok(Destination::SiteAdmins) => return Ok(discard("a failed delivery of mail to the site admins")),
            Err(undecidable) => return Ok(vec![undecidable]),
        };
        let mut session = Session::new(&self.config, entry, &list, view, cx);
        match to.filter(|_| entry.recipients.is_empty()) {
            _ if clock.is_some() => day::one_list(&mut session)?,
            None => outcomes(&mut session)?,
            Some(to) => match Word::named(&to.word) {
                Some(Word::Bounces) => message(&mut session, &to.detail)?,
                Some(Word::Fbl) => complaints(&mut session, &to.detail)?,
                _ => return Ok(vec![Disposition::Shunt { reason: format!("{:?} is not for this queue", to.word) }]),
            },
        }
        session.finish()
    }
}

fn discard(reason: &str) -> Vec<Disposition> {
    vec![Disposition::Discard { reason: reason.to_owned() }]
}

/// Recipients whom the next host has refused, or did not take in time: each with its return path, and what was said.
fn outcomes(s: &mut Session<'_>) -> Result<(), Unavailable> {
    let keys = s.view.signing_keys()?;
    for recipient in &s.entry.recipients {
        let Some(claim) =
            s.detail_of(&recipient.return_path).and_then(|detail| verp::read(&keys, &s.list.address, detail))
        else {
            s.log(format!("the copy for {} was not a member's: it concerns nobody here", recipient.address));
            continue;
        };
        match &recipient.outcome {
            Some(outcome) => note::note(s, Failed::by_reply(claim, outcome))?,
            None => s.log(format!("nothing is known of how the copy for {} failed", recipient.address)),
        }
    }
    Ok(())
}

/// A message at the bounce address.
fn message(s: &mut Session<'_>, detail: &str) -> Result<(), Unavailable> {
    let claim = claim(s, detail)?;
    if claim.is_none() && !detail.is_empty() {
        // RFC 5321 §4.5.5 and our own return paths: whoever wrote this has never had mail from us, or has changed its sender.
        s.log("the return path is not one of ours, or too old: nobody is concerned".to_owned());
        return Ok(());
    }
    if let Some(reason) = excess(&s.entry.message) {
        s.log(format!("it cannot be read: {reason}"));
        return Ok(());
    }
    let message = Message::parse(&s.entry.message);
    let report = bounce::read(&message);
    match (report.kind, claim) {
        (Kind::Bounce, Some(claim)) => note::note(s, Failed::by_report(claim, &report)),
        (Kind::Feedback, claim) => complaint::complaint(s, claim, &report),
        (Kind::Other, _) => unread::pass_on(s),
        (kind, _) => {
            s.log(told_apart(kind, &report));
            Ok(())
        }
    }
}

/// What is neither a failure nor for a person.
fn told_apart(kind: Kind, report: &Report) -> String {
    let what = match kind {
        Kind::Bounce => "a bounce without a return path of ours: nobody is concerned",
        Kind::Delayed => "it is late, and has not failed",
        _ => "a program's answer, and no bounce",
    };
    format!("{what} ({})", report.form)
}

/// A message at the address for complaints.
fn complaints(s: &mut Session<'_>, detail: &str) -> Result<(), Unavailable> {
    if let Some(reason) = excess(&s.entry.message) {
        s.log(format!("it cannot be read: {reason}"));
        return Ok(());
    }
    let claim = claim(s, detail)?;
    let report = bounce::read(&Message::parse(&s.entry.message));
    if report.kind == Kind::Feedback {
        return complaint::complaint(s, claim, &report);
    }
    s.log(format!("no feedback report, but {} ({})", report.kind.name(), report.form));
    Ok(())
}

/// What our own return path says, unless it is too old.
fn claim(s: &Session<'_>, detail: &str) -> Result<Option<VerpClaim>, Unavailable> {
    if detail.is_empty() {
        return Ok(None);
    }
    let claim = verp::read(&s.view.signing_keys()?, &s.list.address, detail);
    Ok(claim.filter(|claim| claim.age_days(s.cx.now) <= RETURNS))
}
