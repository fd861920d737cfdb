//! `listmill check`: the site file and everything that it names.

use std::collections::BTreeSet;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use listmill_delivery::{Deliverer, Ledger, RelayUrl, Timeouts};
use listmill_intake::Listen;
use listmill_outbound::MAX_SHARED;
use listmill_queue::amqp_check;
use listmill_queue_format::Queue;
use listmill_runner::config::{QueueBackendKind, Site, StoreBackendKind};
use listmill_runner::disks;
use listmill_store::Opened;
use rustix::fs::Access;

use crate::backends::Stay;
use crate::commands::{check_host, status};
use crate::failure::{Failure, Outcome};
use crate::{backends, office, output, placement, texts, watching, wiring};

/// How long the smarthost may take for each answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it may take for all of them, and for all of its addresses.
const ALL: Duration = Duration::from_secs(20);

/// What was looked at, and what is wrong with it.
#[derive(Default)]
pub(super) struct Report {
    wrong: usize,
}

impl Report {
    pub(super) fn line(&mut self, what: &str, found: Result<String, String>) -> Outcome {
        match found {
            Ok(note) => {
                output::line(format!("ok     {what}{}", if note.is_empty() { note } else { format!(": {note}") }))
            }
            Err(reason) => {
                self.wrong += 1;
                output::line(format!("WRONG  {what}: {reason}"))
            }
        }
    }

    /// What may be right, and is for the operator to know.
    pub(super) fn note(&mut self, what: &str, note: &str) -> Outcome {
        output::line(format!("note   {what}: {note}"))
    }
}

pub(crate) fn run(site: &Site) -> Outcome {
    let placed = placement::here(site)?;
    office::own(site)?;
    let mut report = Report::default();
    report.line(&format!("site file {}", site.file.display()), Ok(format!("domains {}", site.domains.join(", "))))?;
    if let Some(placed) = placed {
        check_host::run(site, placed, &mut report)?;
    }
    if placement::has_store(site)? {
        store(site, &mut report)?;
    }
    let running = !status::processes(site).is_empty();
    queues(site, &mut report)?;
    report.line(&format!("data {}", site.data.display()), private(&site.data))?;
    room(site, &mut report)?;
    let serves = |queue| placed.is_none_or(|placed| placed.contains(&queue));
    if serves(Queue::Inbound) {
        site.listen
            .iter()
            .try_for_each(|listen| report.line(&format!("listen {listen}"), listening(listen, running)))?;
    }
    if let Some(address) = site.metrics {
        report.line(&format!("metrics {address}"), metrics(address, running))?;
    }
    if serves(Queue::Auth) || serves(Queue::Command) {
        report.line("auth.trusted_authserv_ids", Ok(trust(site)))?;
    }
    if serves(Queue::Outbound) {
        relay(site, &mut report)?;
    }
    let own = texts::check(site).map(|count| format!("{count} of this site's own")).map_err(|wrong| wrong.join("; "));
    report.line(&format!("texts {}", site.templates.display()), own)?;
    match report.wrong {
        0 => Ok(()),
        wrong => Err(Failure::config(format!("{wrong} of the above must be mended first"))),
    }
}

fn trust(site: &Site) -> String {
    if site.trusted_authserv_ids.is_empty() {
        "no Authentication-Results are believed: authors are taken at their word".to_owned()
    } else {
        site.trusted_authserv_ids.join(", ")
    }
}

fn store(site: &Site, report: &mut Report) -> Outcome {
    let what = match &site.store {
        StoreBackendKind::Sled(path) => format!("store {}", path.display()),
        StoreBackendKind::Postgres(database) => format!("store {}", database.shown()),
    };
    if let Some(path) = backends::store_dir(site).filter(|path| !path.exists()) {
        // Opening it would make it.
        return report.line(&what, private(path));
    }
    let looked = backends::store(site).map_err(|failure| failure.to_string()).and_then(|opened| {
        let whose = match opened {
            Opened::Own(_) => ", free",
            Opened::Remote(_) => ", in use by a serving process",
            Opened::Shared(_) => "",
        };
        let figures = opened.store().figures().map_err(|error| error.reason)?;
        let (lists, people) =
            (output::number(figures.lists, "list", "lists"), output::number(figures.people, "person", "people"));
        Ok(format!("{}{whose}, {lists}, {people}", figures.backend))
    });
    report.line(&what, looked)
}

/// Each disk that this host writes to has room for more mail.
fn room(site: &Site, report: &mut Report) -> Outcome {
    match disks(&watching::roots(site)) {
        Ok(disks) => disks.iter().try_for_each(|disk| {
            report.line(&format!("room on the disk of {}", disk.path.display()), site.floor.compare(disk))
        }),
        Err(reason) => report.line("room", Err(reason)),
    }
}

/// The broker answers this host, has what is needed, and lets it do what its runners do.
fn broker(site: &Site) -> Result<String, String> {
    let config = backends::broker_config(site, Stay::Short).map_err(|failure| failure.to_string())?;
    let serves = placement::chosen(site, Vec::new()).map_err(|failure| failure.to_string())?;
    let is_there = |queue: &Queue| *site.queue.backend(*queue) == QueueBackendKind::Amqp;
    let writes: BTreeSet<Queue> =
        serves.iter().flat_map(|queue| wiring::writes(*queue)).copied().filter(is_there).collect();
    let reads: Vec<Queue> = serves.into_iter().filter(is_there).collect();
    let writes: Vec<Queue> = writes.into_iter().collect();
    match amqp_check(&config, &reads, &writes) {
        Ok(faults) if faults.is_empty() => Ok("it answers".to_owned()),
        Ok(faults) => Err(faults.join("; ")),
        Err(error) => Err(error.to_string()),
    }
}

/// Every spool, and the broker.
fn queues(site: &Site, report: &mut Report) -> Outcome {
    let mut spools = site.queue.spools();
    spools.insert(&site.queue.spool);
    for spool in spools {
        report
            .line(&format!("spool {}", spool.display()), private(spool).and_then(|note| dirs(spool).map(|()| note)))?;
    }
    for reason in backends::stranded(site)? {
        report.line(&format!("spool {}", site.queue.unsent().display()), Err(reason))?;
    }
    match &site.queue.broker {
        Some(access) if site.queue.uses_broker() => report.line(&format!("broker {}", access.shown()), broker(site)),
        _ => Ok(()),
    }
}

/// A directory of ours: it can be written, or made, and is nobody else's business. Nothing is made here.
fn private(dir: &Path) -> Result<String, String> {
    let Ok(meta) = fs::metadata(dir) else {
        let above = can_be_made(dir)?;
        return Ok(format!("is not there yet; will be made below {}", above.display()));
    };
    if !meta.is_dir() {
        return Err("is not a directory".to_owned());
    }
    writable(dir)?;
    match meta.permissions().mode() & 0o777 {
        mode if mode & 0o007 != 0 => {
            Err(format!("everybody on this machine may look into it (mode {mode:o}): chmod o= it"))
        }
        _ => Ok(String::new()),
    }
}

/// What is there of the way to this directory, when the rest can be made in it.
fn can_be_made(dir: &Path) -> Result<&Path, String> {
    let above = dir.ancestors().find(|above| above.is_dir()).unwrap_or(Path::new("/"));
    writable(above).map(|()| above)
}

fn writable(dir: &Path) -> Result<(), String> {
    let access = rustix::fs::access(dir, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK);
    access.map_err(|error| format!("{} cannot be written by this user: {error}", dir.display()))
}

/// Every directory of every queue that is there already.
fn dirs(spool: &Path) -> Result<(), String> {
    for queue in Queue::ALL {
        let dirs = fs::read_dir(spool.join(queue.name())).into_iter().flatten().flatten();
        for dir in dirs.map(|entry| entry.path()).filter(|path| path.is_dir()) {
            writable(&dir)?;
        }
    }
    Ok(())
}

fn listening(listen: &Listen, running: bool) -> Result<String, String> {
    if running {
        return Ok("a process of this site is serving".to_owned());
    }
    match listen {
        Listen::Lmtp(address) | Listen::Smtp(address) => {
            TcpListener::bind(address).map_err(|error| format!("cannot be listened at: {error}"))?;
            Ok(if address.ip().is_loopback() {
                String::new()
            } else {
                "there is no access control: whoever reaches this port can write to every list".to_owned()
            })
        }
        Listen::LmtpUnix(path) => match path.parent() {
            Some(dir) if dir.is_dir() => writable(dir).map(|()| String::new()),
            _ => Err("its directory is not there".to_owned()),
        },
    }
}

fn metrics(address: SocketAddr, running: bool) -> Result<String, String> {
    if running {
        return Ok("a process of this site is serving".to_owned());
    }
    TcpListener::bind(address).map_err(|error| format!("cannot be listened at: {error}"))?;
    let is_open = !address.ip().is_loopback();
    Ok(if is_open { "whoever reaches this port can read the figures".to_owned() } else { String::new() })
}

/// The relay, what it offers, and what that means for lists whose copies are all the same.
fn relay(site: &Site, report: &mut Report) -> Outcome {
    if let RelayUrl::Maildir(dir) = &site.relay {
        let files = || format!("no mail leaves: copies become files in {}", dir.display());
        return report.line("outbound.relay", can_be_made(dir).map(|_| files()));
    }
    let offers = offers(site);
    let makes_paths = offers.as_ref().is_ok_and(|offers| offers.contains(&"XVERP"));
    let is_lmtp = matches!(site.relay, RelayUrl::Lmtp(_));
    let together = match (makes_paths, is_lmtp) {
        (true, false) => format!("they leave in transactions of up to {MAX_SHARED} recipients"),
        (_, true) => "each copy is a transaction of its own: the relay is the last hop (LMTP)".to_owned(),
        _ => "each copy is a transaction of its own: the relay does not offer XVERP (Postfix offers it to the \
              clients in smtpd_authorized_verp_clients)"
            .to_owned(),
    };
    let is_there = offers.is_ok();
    report.line("outbound.relay", offers.map(|offers| answer(&offers)))?;
    if is_there { report.note("lists with copies=shared", &together) } else { Ok(()) }
}

fn answer(offers: &[&str]) -> String {
    match offers {
        [] => "it answers, and offers nothing that would be of use".to_owned(),
        _ => format!("it answers, and offers {}", offers.join(", ")),
    }
}

/// What the relay offers, by name.
fn offers(site: &Site) -> Result<Vec<&'static str>, String> {
    let runtime = wiring::runtime().map_err(|error| error.to_string())?;
    // A ledger is needed to deliver; nothing is delivered here, so it lies aside.
    let aside = std::env::temp_dir().join(format!("listmill-check-{}", std::process::id()));
    let ledger = Ledger::open(&aside).map_err(|error| error.to_string())?;
    let timeouts = Timeouts { connect: PATIENCE, greeting: PATIENCE, mail: PATIENCE, ..Timeouts::default() };
    let deliverer = Deliverer::new(site.relay.clone(), 1, site.host.clone(), timeouts, site.ca_file.clone(), ledger);
    let asked = deliverer.map_err(|error| error.to_string()).and_then(|deliverer| {
        let asked = runtime.block_on(async { tokio::time::timeout(ALL, deliverer.check()).await });
        asked
            .map_err(|_| format!("it has not said what it offers within {} s", ALL.as_secs()))?
            .map_err(|error| error.to_string())
    });
    fs::remove_dir_all(&aside).map_err(|error| format!("failed to remove {}: {error}", aside.display()))?;
    asked
}
