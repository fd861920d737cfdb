//! What a serving process tells of itself and of its host: over its control socket, to Prometheus and probes, and to systemd.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use listmill_queue_format::{Queue, Timestamp};
use listmill_runner::config::{QueueBackendKind, Site};
use listmill_runner::{
    Crew, Endpoint, HostReport, Notifier, ProcessReport, Roots, RunnerReport, Shell, Sights, Stop, Watch,
};
use listmill_store::control::{Attendant, Draining};
use listmill_store::transfer::back_up;
use listmill_store::{Opened, SledStore};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::commands::status;
use crate::failure::{Failure, Outcome};
use crate::{backends, placement, wiring};

/// How long another process of this host may take to answer when somebody asks this one.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the threads that look may take to end. One that hangs on a disk is left behind.
const LAST_LOOK: Duration = Duration::from_secs(3);
/// How often it is looked whether they have.
const MOMENT: Duration = Duration::from_millis(5);

/// Between two looks at whether a runner hangs.
const LONGEST_LOOK: Duration = Duration::from_secs(5);
/// EX_SOFTWARE of sysexits.h: a runner hangs.
const HUNG: i32 = 70;

/// Answers for this process.
#[derive(Clone)]
pub(crate) struct Desk {
    crew: Crew,
    shell: Shell,
    pub(crate) watch: Watch,
    /// Where this process owns one.
    store: Option<Arc<SledStore>>,
    placed: Option<String>,
    since: Timestamp,
    listen: Vec<String>,
    /// Where metrics can be fetched, once this process has that port.
    metrics: Arc<OnceLock<SocketAddr>>,
}

impl Desk {
    pub(crate) fn new(site: &Site, shell: &Shell, crew: &Crew, opened: Option<&Opened>) -> Desk {
        Desk {
            crew: crew.clone(),
            shell: shell.clone(),
            watch: Watch::new(shell, crew, roots(site)),
            store: match opened {
                Some(Opened::Own(store)) => Some(Arc::clone(store)),
                _ => None,
            },
            placed: site.placed.clone(),
            since: Timestamp::now(),
            listen: Vec::new(),
            metrics: Arc::default(),
        }
    }

    /// Mail comes in here.
    pub(crate) fn listens(&mut self, listen: &[String]) {
        self.listen = listen.to_vec();
    }

    fn report(&self, sights: &Sights) -> ProcessReport {
        let (health, roll) = (&self.shell.health, self.crew.roll());
        let runners = health.all().into_iter().map(|(queue, health)| {
            let (threads, dead) = roll.get(&queue).map_or((0, 0), |roll| (roll.threads, roll.dead));
            (queue, RunnerReport { health, threads, dead })
        });
        ProcessReport {
            host: self.shell.host.clone(),
            placed: self.placed.clone(),
            pid: std::process::id(),
            since: self.since,
            listen: self.listen.clone(),
            metrics: self.metrics.get().map(ToString::to_string),
            runners: runners.collect(),
            troubles: health.troubles().into_iter().map(|(what, why)| (what.to_owned(), why)).collect(),
            tally: health.tally(),
            trail_lost: self.shell.trail.lost(),
            wrong: sights.wrong.clone(),
        }
    }

    /// This process, and the others of this host.
    fn host(&self, site: &Site, own_socket: &Path) -> HostReport {
        let sights = self.watch.sights();
        let (answers, silent) = status::answers(site, PATIENCE, Some(own_socket));
        let others = answers.into_iter().filter_map(|(_, status)| serde_json::from_value(status).ok());
        let processes = std::iter::once(self.report(&sights)).chain(others).collect();
        HostReport::new(processes, silent, sights, expected(site), at_broker(site))
    }

    /// Answers where the site file says, and looks at everything from now on.
    pub(crate) fn open(&self, site: &Site, socket: PathBuf, stop: &Stop, runtime: &Runtime) -> Outcome<Open> {
        let threads = self.watch.start(stop).map_err(|error| Failure::io("start a thread", &error))?;
        let endpoint = site.metrics.map(|listen| {
            let (desk, site) = (self.clone(), site.clone());
            let report = Arc::new(move || desk.host(&site, &socket));
            Endpoint::start(listen, Arc::clone(&self.metrics), report, runtime.handle())
        });
        Ok(Open { threads, _endpoint: endpoint })
    }
}

impl Attendant for Desk {
    fn status(&self) -> Value {
        // A report is plain data: it has a form in JSON.
        serde_json::to_value(self.report(&self.watch.sights())).unwrap_or_default()
    }

    fn drain(&self, runner: Queue) -> Result<Draining, String> {
        Ok(self.crew.drain(runner).map_or(Draining::Absent, Draining::Working))
    }

    fn back_up(&self, to: &mut dyn Write) -> Result<(), String> {
        let store = self.store.as_ref().ok_or("this process has no store of its own")?;
        let written = back_up(&**store, Timestamp::now(), env!("CARGO_PKG_VERSION"), to);
        written.map(drop).map_err(|error| error.to_string())
    }
}

/// A desk that is open.
pub(crate) struct Open {
    threads: Vec<JoinHandle<()>>,
    _endpoint: Option<Endpoint>,
}

impl Open {
    /// Waits for those who look, who have been told to stop, but not for one that hangs.
    pub(crate) fn close(self) {
        let start = Instant::now();
        for thread in self.threads {
            while !thread.is_finished() && start.elapsed() < LAST_LOOK {
                std::thread::sleep(MOMENT);
            }
        }
    }
}

/// The directories whose disks this host needs.
pub(crate) fn roots(site: &Site) -> Roots {
    let spools = site.queue.spools().into_iter().map(Path::to_owned);
    let store = backends::store_dir(site).filter(|_| placement::has_store(site).unwrap_or(false)).map(Path::to_owned);
    std::iter::once(site.data.clone()).chain(spools).chain(store).collect()
}

/// The runners that must serve on this host for mail to go on.
pub(crate) fn expected(site: &Site) -> BTreeSet<Queue> {
    let placed = placement::here(site).ok().flatten().unwrap_or(wiring::SERVED);
    placed.iter().copied().filter(|queue| wiring::SERVED.contains(queue)).collect()
}

/// The queues that are at the broker.
pub(crate) fn at_broker(site: &Site) -> BTreeSet<Queue> {
    Queue::ALL.into_iter().filter(|queue| *site.queue.backend(*queue) == QueueBackendKind::Amqp).collect()
}

/// Ends this process when one of its runners hangs for longer than this: nobody can end a thread, and whoever starts the process anew has its work go on.
/// That thread ends when `stop` is thrown.
pub(crate) fn end_when_hung(limit: Duration, watch: &Watch, stop: &Stop) -> Outcome<JoinHandle<()>> {
    let (watch, stop) = (watch.clone(), stop.clone());
    let guard = std::thread::Builder::new().name("hangs".to_owned()).spawn(move || {
        let often = (limit / 8).min(LONGEST_LOOK);
        let (mut looked, mut hung_before) = (Instant::now(), false);
        while !stop.wait(often) {
            // Was this thread late as well, the machine stood still, or the process: then nobody has hung, and those who rested come by first.
            let was_late = looked.elapsed() > often * 3;
            looked = Instant::now();
            let hung = if was_late { Vec::new() } else { watch.hung(limit) };
            if hung_before && !hung.is_empty() {
                tracing::error!("this process ends itself, for [guard] hang_limit is over: {}", hung.join("; "));
                std::process::exit(HUNG);
            }
            hung_before = !hung.is_empty();
        }
    });
    guard.map_err(|error| Failure::io("start a thread", &error))
}

/// systemd, where it has started this process and wants to hear of it.
pub(crate) struct Manager {
    notifier: Notifier,
    /// After so long without a sign of life it kills the process.
    patience: Option<Duration>,
}

impl Manager {
    /// What the environment says (sd_notify(3), sd_watchdog_enabled(3)).
    pub(crate) fn from_environment() -> Option<Manager> {
        let socket = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty())?;
        let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        let is_for_us = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let patience = number("WATCHDOG_USEC").filter(|micros| *micros > 0 && is_for_us).map(Duration::from_micros);
        match Notifier::new(&socket) {
            Ok(notifier) => Some(Manager { notifier, patience }),
            Err(error) => {
                tracing::warn!("NOTIFY_SOCKET {}: {error}; nobody is told", socket.display());
                None
            }
        }
    }

    /// Says that this process serves, and from now on, again and again, that its runners make progress; ends when `stop` is thrown.
    pub(crate) fn ready(&self, status: &str, watch: &Watch, stop: &Stop) -> Outcome<Option<JoinHandle<()>>> {
        self.notifier.ready(status);
        let Some(patience) = self.patience else { return Ok(None) };
        let (notifier, watch, stop) = (self.notifier.clone(), watch.clone(), stop.clone());
        let watchdog = std::thread::Builder::new().name("watchdog".to_owned());
        let watchdog = watchdog.spawn(move || sign_of_life(&notifier, patience, &watch, &stop));
        watchdog.map(Some).map_err(|error| Failure::io("start a thread", &error))
    }

    /// Says that it ends.
    pub(crate) fn stopping(&self) {
        self.notifier.stopping();
    }
}

/// A process in which a runner is dead or hangs gives none: systemd starts it anew.
fn sign_of_life(notifier: &Notifier, patience: Duration, watch: &Watch, stop: &Stop) {
    let mut was_fit = true;
    loop {
        let fit = watch.fit(patience / 2);
        match &fit {
            Ok(()) => notifier.alive(),
            Err(why) if was_fit => tracing::error!("no sign of life for the service manager: {why}"),
            Err(_) => {}
        }
        was_fit = fit.is_ok();
        if stop.wait(patience / 4) {
            return;
        }
    }
}
