//! `listmill check --host`: what this host must not have, and what it needs from the others.

use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

use listmill_queue_format::Queue;
use listmill_runner::KnownDirectory;
use listmill_runner::config::{Access, QueueBackendKind, Site, StoreBackendKind};

use super::check::Report;
use crate::failure::Outcome;
use crate::output;
use crate::placement;

/// How long a service may take to be reached that should not be.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) fn run(site: &Site, placed: &[Queue], report: &mut Report) -> Outcome {
    let name = site.placed.as_deref().unwrap_or_default();
    let names: Vec<_> = placed.iter().map(|queue| queue.name()).collect();
    report.line(&format!("host {name}"), Ok(names.join(", ")))?;
    for runner in placement::absent(site, placed) {
        report.note(&format!("host {name}"), &format!("this version has no {runner} runner; its entries wait"))?;
    }
    if !placement::need_store(placed) {
        report.line("no store", no_store(site))?;
        if placed.contains(&Queue::Inbound) {
            directory(site, report)?;
        }
    }
    report.line("credentials", others(site, name))?;
    crossings(site, report)
}

/// A host without a store must have no way into one (invariant 4).
fn no_store(site: &Site) -> Result<String, String> {
    match &site.store {
        StoreBackendKind::Sled(path) if path.exists() => Err(format!(
            "{} is here, and this host has no business with it: take it to the host that serves the store's runners",
            path.display()
        )),
        StoreBackendKind::Sled(_) => Ok("and none is here".to_owned()),
        StoreBackendKind::Postgres(database) => no_database(database),
    }
}

fn no_database(database: &Access) -> Result<String, String> {
    if let Some(file) = database.password_file.as_deref().filter(|file| file.exists()) {
        return Err(format!("store.password_file: {} must not be on this host: remove it", file.display()));
    }
    if database.has_password() {
        return Err(
            "store.url has a password in it, which every host with this file can read: use store.password_file"
                .to_owned(),
        );
    }
    match database.address().filter(can_be_reached) {
        Some((host, port)) => Err(format!(
            "the database answers at {host}, port {port}, and this host has no business with it: let nothing through to it from here"
        )),
        None => Ok("and no way to one".to_owned()),
    }
}

fn can_be_reached((host, port): &(String, u16)) -> bool {
    let addresses = (host.as_str(), *port).to_socket_addrs().into_iter().flatten();
    addresses.into_iter().any(|address| TcpStream::connect_timeout(&address, PATIENCE).is_ok())
}

fn directory(site: &Site, report: &mut Report) -> Outcome {
    let what = format!("directory {}", site.directory().display());
    match KnownDirectory::open(&site.directory()).last() {
        Ok(directory) => report.line(&what, Ok(output::number(directory.len(), "list", "lists"))),
        Err(_) => report.note(
            &what,
            "none was seen yet: until the host with the store has published one, mail is told to come again (451)",
        ),
    }
}

/// Each host has its own password, and none of the others'.
fn others(site: &Site, name: &str) -> Result<String, String> {
    for host in site.hosts.keys().filter(|host| *host != name) {
        // The same file read as that host: where it differs from ours it is theirs alone.
        let Ok(theirs) = Site::load(&site.file, Some(host)) else { continue };
        let theirs = files(&theirs).into_iter().filter(|file| !files(site).contains(file));
        if let Some(file) = theirs.into_iter().find(|file| Path::exists(file)) {
            return Err(format!("{} belongs to {host} and must not be on this host: remove it", file.display()));
        }
    }
    Ok(String::new())
}

fn files(site: &Site) -> Vec<std::path::PathBuf> {
    let database = match &site.store {
        StoreBackendKind::Postgres(database) => Some(database),
        StoreBackendKind::Sled(_) => None,
    };
    [site.queue.broker.as_ref(), database]
        .into_iter()
        .flatten()
        .filter_map(|access| access.password_file.clone())
        .collect()
}

/// A queue on the disk is for processes that share it.
fn crossings(site: &Site, report: &mut Report) -> Outcome {
    if site.hosts.len() < 2 {
        return Ok(());
    }
    let name = site.placed.as_deref().unwrap_or_default();
    for queue in Queue::ALL.into_iter().filter(|queue| *queue != Queue::Inbound) {
        let is_here = site.hosts.get(name).is_some_and(|placed| placed.contains(&queue));
        if let (QueueBackendKind::Disk(path), true) = (site.queue.backend(queue), is_here) {
            let note = format!(
                "on the disk, in {}: right only where every host that writes it shares that directory",
                path.display()
            );
            report.note(&format!("queue {queue}"), &note)?;
        }
    }
    Ok(())
}
