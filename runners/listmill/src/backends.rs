//! The backends that the site file names, opened.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use listmill_queue::{Board, DiskBoard, DiskQueues, FrontedQueues, QueueBackend};
use listmill_queue_format::Queue;
use listmill_runner::config::{Front, Site, StoreBackendKind};
use listmill_store::Opened;

use crate::failure::{Failure, Outcome};
use crate::office;

/// The queues of a site, for the user that it belongs to.
pub(crate) fn queues(site: &Site) -> Outcome<Arc<dyn QueueBackend>> {
    office::own(site)?;
    if site.queue.uses_broker() {
        return Err(Failure::config("queue.backend: this version has no amqp"));
    }
    let queues = Arc::new(DiskQueues::open(&site.queue.spool)?);
    fronted(site, queues)
}

/// With what is in front of some of them.
fn fronted(site: &Site, queues: Arc<dyn QueueBackend>) -> Outcome<Arc<dyn QueueBackend>> {
    let mut fronts: BTreeMap<Queue, Arc<dyn QueueBackend>> = BTreeMap::new();
    for (queue, front) in &site.queue.fronts {
        let front = match front {
            Front::Disk(path) => Arc::new(DiskQueues::open(path)?),
            Front::Amqp(_) => return Err(Failure::config(format!("queue.{queue}.via: this version has no amqp"))),
        };
        fronts.insert(*queue, front);
    }
    Ok(if fronts.is_empty() { queues } else { Arc::new(FrontedQueues::new(queues, fronts)) })
}

/// The notice board, which is where the queues are that cross hosts.
pub(crate) fn board(site: &Site) -> Outcome<Arc<dyn Board>> {
    Ok(Arc::new(DiskBoard::open(&site.queue.spool)?))
}

/// The store of a site, which is made if it is not there.
pub(crate) fn store(site: &Site) -> Outcome<Opened> {
    match &site.store {
        StoreBackendKind::Sled(path) => Ok(listmill_store::open(path, &site.socket(), site.cascade.clone())?),
        StoreBackendKind::Postgres(_) => Err(Failure::config("store.backend: this version has no postgres")),
    }
}

/// The directory of an embedded store.
pub(crate) fn store_dir(site: &Site) -> Option<&Path> {
    match &site.store {
        StoreBackendKind::Sled(path) => Some(path),
        StoreBackendKind::Postgres(_) => None,
    }
}

/// There is a store to be asked, as far as can be seen without making one.
pub(crate) fn store_is_there(site: &Site) -> bool {
    store_dir(site).is_none_or(Path::exists)
}
