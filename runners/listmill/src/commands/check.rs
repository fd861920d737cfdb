//! `listmill check`: the site file and everything that it names.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::{fs, io};

use listmill_delivery::{Deliverer, Ledger, RelayUrl, Timeouts};
use listmill_intake::Listen;
use listmill_runner::config::Site;
use listmill_store::Opened;

use crate::commands::init::make_private;
use crate::failure::{Failure, Outcome};
use crate::{output, wiring};

/// What was looked at, and what is wrong with it.
struct Report {
    wrong: usize,
}

impl Report {
    fn line(&mut self, what: &str, found: Result<String, String>) -> Outcome {
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
}

pub(crate) fn run(site: &Site) -> Outcome {
    let mut report = Report { wrong: 0 };
    report.line(&format!("site file {}", site.file.display()), Ok(format!("domains {}", site.domains.join(", "))))?;
    let running = store(site, &mut report)?;
    report.line(&format!("spool {}", site.spool().display()), writable(site.spool()))?;
    report.line(&format!("data {}", site.data.display()), writable(&site.data))?;
    for listen in &site.listen {
        report.line(&format!("listen {listen}"), listening(listen, running))?;
    }
    let trust = if site.trusted_authserv_ids.is_empty() {
        "no Authentication-Results are believed: authors are taken at their word".to_owned()
    } else {
        site.trusted_authserv_ids.join(", ")
    };
    report.line("auth.trusted_authserv_ids", Ok(trust))?;
    report.line("outbound.relay", relay(site))?;
    match report.wrong {
        0 => Ok(()),
        wrong => Err(Failure::config(format!("{wrong} of the above must be mended first"))),
    }
}

/// True when another process owns the store: then it is listening, too.
fn store(site: &Site, report: &mut Report) -> Outcome<bool> {
    let opened = listmill_store::open(site.store(), &site.socket(), site.cascade.clone());
    let what = format!("store {}", site.store().display());
    match opened {
        Ok(opened) => {
            let running = matches!(opened, Opened::Remote(_));
            let figures = opened.store().figures();
            let note = figures.map(|figures| {
                let whose = if running { "in use by a serving process" } else { "free" };
                format!("{}, {whose}, {} lists, {} people", figures.backend, figures.lists, figures.people)
            });
            report.line(&what, note.map_err(|error| error.reason))?;
            Ok(running)
        }
        Err(error) => {
            report.line(&what, Err(error.to_string()))?;
            Ok(false)
        }
    }
}

fn writable(dir: &Path) -> Result<String, String> {
    let probe = dir.join(".check");
    let tried = make_private(dir).and_then(|()| fs::write(&probe, b"")).and_then(|()| fs::remove_file(&probe));
    tried.map_err(|error| format!("cannot be written: {error}"))?;
    let mode = fs::metadata(dir).map_err(|error| error.to_string())?.permissions().mode();
    if mode & 0o007 != 0 {
        return Err(format!("everybody on this machine may look into it (mode {:o}): chmod o= it", mode & 0o777));
    }
    Ok(String::new())
}

fn listening(listen: &Listen, running: bool) -> Result<String, String> {
    if running {
        return Ok("a process of this site is serving".to_owned());
    }
    match listen {
        Listen::Lmtp(address) | Listen::Smtp(address) => {
            let bound: io::Result<_> = std::net::UdpSocket::bind((address.ip(), 0));
            bound.map_err(|error| format!("{} is not an address of this host: {error}", address.ip()))?;
            Ok(String::new())
        }
        Listen::LmtpUnix(path) => match path.parent().map(fs::metadata) {
            Some(Ok(meta)) if meta.is_dir() => Ok(String::new()),
            _ => Err("its directory is not there".to_owned()),
        },
    }
}

fn relay(site: &Site) -> Result<String, String> {
    if let RelayUrl::Maildir(dir) = &site.relay {
        return Ok(format!("no mail leaves: copies become files in {}", dir.display()));
    }
    let runtime = wiring::runtime().map_err(|error| error.to_string())?;
    let ledger = Ledger::open(&site.ledger()).map_err(|error| error.to_string())?;
    let deliverer =
        Deliverer::new(site.relay.clone(), 1, site.host.clone(), Timeouts::default(), site.ca_file.clone(), ledger)
            .map_err(|error| error.to_string())?;
    runtime.block_on(deliverer.check()).map_err(|error| error.to_string())?;
    Ok("it answers".to_owned())
}
