//! What the site file places on this host, and what follows from that: whether it opens a store, whether it works from the directory.
//!
//! A host that nobody has named (`--host`) is the only one, and has everything.

use listmill_queue_format::Queue;
use listmill_runner::config::Site;

use crate::failure::{Failure, Outcome};
use crate::wiring;

/// The runners that ask no store: inbound is content with the directory, and all that outbound needs is in the entry.
const STORELESS: [Queue; 2] = [Queue::Inbound, Queue::Outbound];

/// Whether one of these runners asks the store.
pub(crate) fn need_store(runners: &[Queue]) -> bool {
    runners.iter().any(|runner| !STORELESS.contains(runner))
}

/// What the site file places on this host; none where nobody has named it.
///
/// # Errors
/// It has been named, and the site file does not know the name.
pub(crate) fn here(site: &Site) -> Outcome<Option<&[Queue]>> {
    let Some(name) = &site.placed else { return Ok(None) };
    match site.hosts.get(name) {
        Some(runners) => Ok(Some(runners)),
        None => {
            let known: Vec<_> = site.hosts.keys().map(String::as_str).collect();
            let file = site.file.display();
            Err(Failure::config(format!(
                "[hosts] in {file} places nothing on {name:?}; it names: {}",
                known.join(", ")
            )))
        }
    }
}

/// Whether this host has a store.
pub(crate) fn has_store(site: &Site) -> Outcome<bool> {
    Ok(here(site)?.is_none_or(need_store))
}

/// Refuses what cannot be done on a host without a store.
pub(crate) fn must_have_store(site: &Site) -> Outcome {
    if has_store(site)? {
        return Ok(());
    }
    let hosts = site.hosts.iter().filter(|(_, runners)| need_store(runners));
    let hosts: Vec<_> = hosts.map(|(host, _)| host.as_str()).collect();
    let here = site.placed.as_deref().unwrap_or_default();
    Err(Failure::unavailable(format!("the host {here} has no store: run this on {}", hosts.join(" or "))))
}

/// Which queues a process on this host serves that was told to serve `runners`; none named: all that are placed here.
pub(crate) fn chosen(site: &Site, runners: Vec<Queue>) -> Outcome<Vec<Queue>> {
    let placed = here(site)?;
    let is_served = |queue: &Queue| wiring::SERVED.contains(queue);
    if let Some(queue) = runners.iter().find(|queue| !is_served(queue)) {
        return Err(Failure::usage(format!("this version has no {queue} runner; its entries wait in their queue")));
    }
    match (runners.is_empty(), placed) {
        (false, _) => Ok(runners),
        (true, None) => Ok(wiring::SERVED.to_vec()),
        (true, Some(placed)) => {
            let name = site.placed.as_deref().unwrap_or_default();
            for runner in absent(site, placed) {
                tracing::warn!(
                    "[hosts] places {runner} on {name}, and this version has no such runner: its entries wait"
                );
            }
            let queues: Vec<Queue> = placed.iter().copied().filter(is_served).collect();
            if queues.is_empty() {
                return Err(Failure::config(format!("[hosts] places no runner of this version on {name}")));
            }
            Ok(queues)
        }
    }
}

/// The names of runners that are placed on this host and that this version does not have.
pub(crate) fn absent(site: &Site, placed: &[Queue]) -> Vec<String> {
    let queues = placed.iter().filter(|queue| !wiring::SERVED.contains(queue)).map(ToString::to_string);
    let named = site.not_yet.iter().filter(|(host, _)| Some(host) == site.placed.as_ref());
    queues.chain(named.map(|(_, name)| name.clone())).collect()
}

/// Where a process that serves these queues looks up lists.
pub(crate) enum Lookup {
    /// In the store.
    Store,
    /// In the directory that the store's side publishes.
    Directory,
    /// Nowhere.
    Nothing,
}

/// Where a process of this host that serves `queues` looks up lists.
pub(crate) fn lookup(site: &Site, queues: &[Queue]) -> Outcome<Lookup> {
    let takes_mail_in = queues.contains(&Queue::Inbound);
    Ok(match (need_store(queues), takes_mail_in, has_store(site)?) {
        (true, ..) | (false, true, true) => Lookup::Store,
        (false, true, false) => Lookup::Directory,
        (false, false, _) => Lookup::Nothing,
    })
}

/// Some host takes mail in and has no store: then the store's side publishes the directory.
pub(crate) fn wants_directory(site: &Site) -> bool {
    site.hosts.values().any(|runners| runners.contains(&Queue::Inbound) && !need_store(runners))
}
