//! The backends that the site file names, opened.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use listmill_queue::{
    AmqpConfig, AmqpQueues, Board, DiskBoard, DiskQueues, ForwardConfig, ForwardQueues, FrontedQueues, MixedQueues,
    QueueBackend,
};
use listmill_queue_format::Queue;
use listmill_runner::config::{Access, Front, QueueBackendKind, Site, StoreBackendKind};
use listmill_store::{Opened, PostgresConfig, PostgresStore};

use crate::failure::{Failure, Outcome};
use crate::office;

/// How long a command waits for the broker.
const PATIENCE: Duration = Duration::from_secs(4);
/// How often it is looked whether the broker is there.
const LOOK: Duration = Duration::from_millis(20);

/// What carries entries and notices between runners.
pub(crate) struct Carriers {
    pub(crate) queues: Arc<dyn QueueBackend>,
    /// Where the queues are that cross hosts.
    pub(crate) board: Arc<dyn Board>,
}

/// Who opens the queues.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stay {
    /// A process that serves: it passes on what this host has kept for the broker.
    Serving,
    /// A command, which ends soon.
    Short,
}

/// The queues of a site, for a command of the user that it belongs to.
pub(crate) fn queues(site: &Site) -> Outcome<Arc<dyn QueueBackend>> {
    Ok(carriers(site, Stay::Short)?.queues)
}

/// The queues of a site and its notice board, for the user that it belongs to.
pub(crate) fn carriers(site: &Site, stay: Stay) -> Outcome<Carriers> {
    office::own(site)?;
    if stay == Stay::Serving {
        stranded(site)?.iter().for_each(|reason| tracing::warn!("{reason}"));
    }
    let mut disks: BTreeMap<PathBuf, Arc<DiskQueues>> = BTreeMap::new();
    for path in site.queue.spools() {
        disks.insert(path.to_owned(), Arc::new(DiskQueues::open(path)?));
    }
    if !site.queue.uses_broker() {
        let queues = fronted(site, mixed(site, &disks, None), stay)?;
        return Ok(Carriers { queues, board: Arc::new(DiskBoard::open(&site.queue.spool)?) });
    }
    let broker = broker(site, stay)?;
    let in_front = kept_here(site, &broker, stay)?;
    Ok(Carriers { queues: fronted(site, mixed(site, &disks, Some(&in_front)), stay)?, board: broker })
}

/// Each queue where the site file says.
fn mixed(
    site: &Site,
    disks: &BTreeMap<PathBuf, Arc<DiskQueues>>,
    broker: Option<&Arc<dyn QueueBackend>>,
) -> Arc<dyn QueueBackend> {
    let choose = |queue| -> Arc<dyn QueueBackend> {
        match (site.queue.backend(queue), broker) {
            (QueueBackendKind::Disk(path), _) => disks.get(path).expect("every spool has been opened").clone(),
            (QueueBackendKind::Amqp, broker) => broker.expect("a broker that is used has been opened").clone(),
        }
    };
    match disks.values().next() {
        Some(only) if disks.len() == 1 && broker.is_none() => only.clone(),
        _ => Arc::new(MixedQueues::new(choose)),
    }
}

/// How to get to the broker of the site.
pub(crate) fn broker_config(site: &Site, stay: Stay) -> Outcome<AmqpConfig> {
    let access = site.queue.broker.as_ref().ok_or_else(|| Failure::config("queue.url: no broker is named"))?;
    config_of(site, access, stay)
}

fn config_of(site: &Site, access: &Access, stay: Stay) -> Outcome<AmqpConfig> {
    let mut config = AmqpConfig::new(access.url_with_password().map_err(Failure::config)?, site.host.clone());
    config.ca_file = access.ca_file.clone();
    config.prefetch = site.queue.prefetch;
    if stay == Stay::Short {
        config.patience = PATIENCE;
    }
    Ok(config)
}

/// The broker of the site; one that is not there is waited for in the background.
pub(crate) fn broker(site: &Site, stay: Stay) -> Outcome<Arc<AmqpQueues>> {
    Ok(Arc::new(AmqpQueues::connect(broker_config(site, stay)?)?))
}

/// The broker with this host's own spool in front of it, where it may have one.
fn kept_here(site: &Site, broker: &Arc<AmqpQueues>, stay: Stay) -> Outcome<Arc<dyn QueueBackend>> {
    if site.queue.spool_limit == 0 {
        return Ok(broker.clone());
    }
    let mut config = ForwardConfig::new(site.queue.unsent());
    config.max_bytes = site.queue.spool_limit;
    config.min_free = site.floor.octets;
    let queues = ForwardQueues::open(broker.clone(), config)?;
    if stay == Stay::Short {
        // What it puts would wait here for a process that serves, only because the connection is not made yet.
        let deadline = Instant::now() + PATIENCE;
        while !broker.is_ready() && Instant::now() < deadline {
            std::thread::sleep(LOOK);
        }
    }
    if stay == Stay::Serving {
        let at_broker = |queue: &Queue| *site.queue.backend(*queue) == QueueBackendKind::Amqp;
        let forwarded = Queue::ALL.into_iter().filter(at_broker).collect();
        queues.forward(forwarded).map_err(|error| Failure::io("start a thread", &error))?;
    }
    Ok(Arc::new(queues))
}

/// What waits on this host for a broker, in queues for which nobody passes it on any more; and what to do about it.
pub(crate) fn stranded(site: &Site) -> Outcome<Vec<String>> {
    let path = site.queue.unsent();
    if !path.is_dir() {
        return Ok(Vec::new());
    }
    let spool = DiskQueues::open(&path)?;
    let mut reasons = Vec::new();
    for queue in Queue::ALL {
        let forwarded = *site.queue.backend(queue) == QueueBackendKind::Amqp && site.queue.spool_limit > 0;
        let status = spool.status(queue)?;
        let waiting = status.depth + status.deferred;
        if !forwarded && waiting > 0 {
            let path = path.display();
            reasons.push(format!(
                "{waiting} entries of {queue} wait in {path} for a broker, and nobody passes them on: `listmill queue move {queue} --from disk:{path}`"
            ));
        }
    }
    Ok(reasons)
}

/// With what is in front of some of them.
fn fronted(site: &Site, queues: Arc<dyn QueueBackend>, stay: Stay) -> Outcome<Arc<dyn QueueBackend>> {
    let mut fronts: BTreeMap<Queue, Arc<dyn QueueBackend>> = BTreeMap::new();
    for (queue, front) in &site.queue.fronts {
        let front: Arc<dyn QueueBackend> = match front {
            Front::Disk(path) => Arc::new(DiskQueues::open(path)?),
            Front::Amqp(access) => Arc::new(AmqpQueues::connect(config_of(site, access, stay)?)?),
        };
        fronts.insert(*queue, front);
    }
    Ok(if fronts.is_empty() { queues } else { Arc::new(FrontedQueues::new(queues, fronts)) })
}

/// The store of a site, which is made if it is not there.
pub(crate) fn store(site: &Site) -> Outcome<Opened> {
    match &site.store {
        StoreBackendKind::Sled(path) => Ok(listmill_store::open(path, &site.socket(), site.cascade.clone())?),
        StoreBackendKind::Postgres(database) => {
            let store = PostgresStore::open(&database_config(database)?, site.cascade.clone())?;
            Ok(Opened::Shared(Arc::new(store)))
        }
    }
}

/// How to get to the database.
pub(crate) fn database_config(database: &Access) -> Outcome<PostgresConfig> {
    Ok(PostgresConfig {
        url: database.url.clone(),
        password: database.password().map_err(Failure::config)?,
        ca_file: database.ca_file.clone(),
        pool_size: 0,
    })
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
