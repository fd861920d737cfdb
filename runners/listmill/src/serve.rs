//! `listmill run`: the runners of one process, from start to a graceful stop.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use listmill_core::NoStore;
use listmill_delivery::{Deliverer, Ledger, Timeouts};
use listmill_intake::{Limits, Server as Intake};
use listmill_queue::Board;
use listmill_queue_format::Queue;
use listmill_runner::config::{QueueBackendKind, Site, StoreBackendKind};
use listmill_runner::{
    Crew, Health, KnownDirectory, Room, Shell, Stop, TOLD_OF_THE_TIME, Trail, TrailConfig, disks, keep_time,
    publish_directory, remember_panics, serve, sweep_outbox, watch_directory,
};
use listmill_store::Opened;
use listmill_store::control::Server as Control;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::backends::{Carriers, Stay};
use crate::commands::init::make_private;
use crate::failure::{Failure, Outcome};
use crate::placement::Lookup;
use crate::watching::{Desk, Manager, Open, end_when_hung, roots};
use crate::{backends, placement, wiring};

/// Threads of a runner that decides: each takes several entries at once, and while one waits for the disk the others go on.
const THREADS: usize = 3;
/// Threads of one that waits for a broker or a database with each entry, far longer than it decides: what waits together shares their syncs.
const WAITING_THREADS: usize = 8;
/// How long a client that is handing in a message may go on after the stop.
const LAST_MESSAGE: Duration = Duration::from_secs(6);
/// How often it is looked whether a runner that was to stop has stopped, and whether the intake has ended by itself.
const LOOK: Duration = Duration::from_secs(1);

pub(crate) fn run(site: Site, runners: Vec<Queue>) -> Outcome {
    let queues = placement::chosen(&site, runners)?;
    let runtime = wiring::runtime().map_err(|error| Failure::io("start the runtime", &error))?;
    let manager = Manager::from_environment();
    let mut serving = Serving::start(&site, &queues, &runtime)?;
    if let Some(manager) = &manager {
        let status = format!("serving {}", names(&queues));
        serving.threads.extend(manager.ready(&status, &serving.desk.watch, &serving.stop)?);
    }
    let told = runtime.block_on(until_told_or_drained(&serving.crew));
    manager.iter().for_each(Manager::stopping);
    told?;
    serving.stop();
    tracing::info!("stopped");
    Ok(())
}

async fn until_told_or_drained(crew: &Crew) -> Outcome {
    let listen = |kind| signal(kind).map_err(|error| Failure::io("listen for signals", &error));
    let (mut term, mut int) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    loop {
        tokio::select! {
            _ = term.recv() => break,
            _ = int.recv() => break,
            () = tokio::time::sleep(LOOK) => {}
        }
        if !crew.is_anybody_stopped() {
            continue;
        }
        let crew = crew.clone();
        // A panic in there has been logged; whoever is left goes on.
        if tokio::task::spawn_blocking(move || crew.part_with_those_who_are_done()).await.unwrap_or(false) {
            tracing::info!("every runner of this process is drained");
            return Ok(());
        }
    }
    tracing::info!("stopping: what is in hand is finished first");
    Ok(())
}

/// The runners of this process, serving.
pub(crate) struct Serving {
    shell: Shell,
    crew: Crew,
    /// Ends what serves no runner in particular.
    stop: Stop,
    threads: Vec<JoinHandle<()>>,
    deliverer: Option<Arc<Deliverer>>,
    /// Where mail comes in, with the ports that the system chose.
    pub(crate) listen: Vec<String>,
    desk: Desk,
    open: Option<Open>,
    _control: Option<Control>,
}

impl Serving {
    /// Starts serving these queues; returns when every socket listens.
    pub(crate) fn start(site: &Site, queues: &[Queue], runtime: &Runtime) -> Outcome<Serving> {
        remember_panics();
        let Kit { shell, opened, board } = kit(site, queues, Stay::Serving)?;
        if let Some(Opened::Remote(_)) = &opened {
            tracing::warn!(
                "another process owns the store: this one works through it, and waits whenever no such process serves; \
                 `listmill status` shows them all"
            );
        }
        match shell.empty_outbox() {
            Ok(0) => {}
            Ok(left) => {
                tracing::warn!("{left} entries were left in the outbox by a crash; they are in their queues now")
            }
            // They are sent as soon as they can be, by the sweep.
            Err(error) => tracing::warn!("the outbox cannot be emptied now: {error}"),
        }
        let crew = Crew::new(shell.clone());
        let mut serving = Serving {
            desk: Desk::new(site, &shell, &crew, opened.as_ref()),
            open: None,
            crew,
            shell,
            stop: Stop::default(),
            threads: Vec::new(),
            deliverer: None,
            listen: Vec::new(),
            _control: None,
        };
        if queues.contains(&Queue::Inbound) {
            serving.start_intake(site, runtime)?;
        }
        queues.iter().try_for_each(|queue| serving.start_runner(*queue, site))?;
        serving.start_chores(site, queues, &board)?;
        serving.start_control(site, opened.as_ref(), runtime)?;
        tracing::info!("ready: serving {}{}", names(queues), listening(&serving.listen));
        Ok(serving)
    }

    fn start_runner(&mut self, queue: Queue, site: &Site) -> Outcome {
        let (runner, threads) = match wiring::runner(queue, site) {
            Some(runner) if waits_for_others(queue, site) => (runner, WAITING_THREADS),
            Some(runner) => (runner, THREADS),
            None => {
                let deliverer = deliverer(site)?;
                self.deliverer = Some(deliverer.clone());
                let counted = deliverer.clone();
                self.desk.watch.counts(queue, move || counted.transactions());
                let sending = wiring::sending().map_err(no_thread)?;
                let (handle, closed) = (sending.clone(), deliverer.clone());
                let health = self.shell.health.clone();
                let farewell = move || {
                    handle.block_on(closed.close());
                    health.trouble("smarthost", None);
                };
                self.crew.at_end(queue, Box::new(farewell));
                let places = places(site.connections);
                self.shell.queues.share(queue, places);
                (wiring::delivery(deliverer, sending), places)
            }
        };
        let stop = self.crew.stop_of(queue);
        self.crew.add(queue, serve(&runner, threads, &self.shell, &stop).map_err(no_thread)?);
        if TOLD_OF_THE_TIME.contains(&queue) {
            self.crew.add(queue, vec![keep_time(site.clock, queue, &self.shell, &stop).map_err(no_thread)?]);
        }
        Ok(())
    }

    /// What is done beside the runners.
    fn start_chores(&mut self, site: &Site, queues: &[Queue], board: &Arc<dyn Board>) -> Outcome {
        if let Some(limit) = site.hang_limit {
            self.threads.push(end_when_hung(limit, &self.desk.watch, &self.stop)?);
        }
        let health = &self.shell.health;
        if let Some(store) = &self.shell.store {
            self.threads.push(sweep_outbox(&self.shell, &self.stop).map_err(no_thread)?);
            if placement::wants_directory(site) && placement::need_store(queues) {
                let board = Arc::clone(board);
                self.threads.push(publish_directory(store, board, health, &self.stop).map_err(no_thread)?);
            }
        }
        if let Some(directory) = &self.shell.directory {
            let board = Arc::clone(board);
            self.threads.push(watch_directory(directory, board, health, &self.stop).map_err(no_thread)?);
        }
        Ok(())
    }

    fn start_intake(&mut self, site: &Site, runtime: &Runtime) -> Outcome {
        let gate = Arc::new(wiring::gate(site, self.shell.clone()));
        let limits = Limits { connections: site.max_sessions, stop: LAST_MESSAGE, ..Limits::default() };
        let _runtime = runtime.enter();
        let intake = Intake::bind(site.listen.clone(), site.host.clone(), gate, limits).map_err(|error| {
            Failure::unavailable(error).and("; `listmill status` shows whether this site is being served already")
        })?;
        self.listen = intake.local_addrs().iter().map(ToString::to_string).collect();
        let (sender, receiver) = watch::channel(false);
        let (handle, stop) = (runtime.handle().clone(), self.crew.stop_of(Queue::Inbound));
        let intake = runtime.spawn(intake.run(receiver));
        let watcher = std::thread::Builder::new().name("intake".to_owned()).spawn(move || {
            // An intake that ends by itself ends this thread too: that is how it is seen.
            while !stop.wait(LOOK) && !intake.is_finished() {}
            // The server may have ended by itself; then there is nobody to tell.
            let _ = sender.send(true);
            if handle.block_on(intake).is_err() {
                tracing::error!("the intake ended by a panic");
            }
        });
        self.crew.add(Queue::Inbound, vec![watcher.map_err(no_thread)?]);
        Ok(())
    }

    /// The owner of the store answers for it, and every process for itself.
    fn start_control(&mut self, site: &Site, opened: Option<&Opened>, runtime: &Runtime) -> Outcome {
        let socket = match opened {
            Some(Opened::Own(_)) => site.socket(),
            _ => site.socket_of(std::process::id()),
        };
        let store = self.shell.store.clone().unwrap_or_else(|| Arc::new(NoStore));
        make_private(&site.data).map_err(|error| Failure::io(format!("make {}", site.data.display()), &error))?;
        self.desk.listens(&self.listen);
        let control = Control::bind(&socket, store, Arc::new(self.desk.clone())).map_err(Failure::unavailable)?;
        self.open = Some(self.desk.open(site, socket, &self.stop, runtime)?);
        self._control = Some(control);
        Ok(())
    }

    /// Takes no more work, finishes what is in hand, and returns.
    pub(crate) fn stop(self) {
        self.stop.stop();
        if let Some(deliverer) = &self.deliverer {
            deliverer.stop();
        }
        self.crew.stop();
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a thread ended by a panic");
            }
        }
        self.open.into_iter().for_each(Open::close);
    }
}

/// What a process of this site works with.
pub(crate) struct Kit {
    pub(crate) shell: Shell,
    /// Its store, where it opens one.
    opened: Option<Opened>,
    board: Arc<dyn Board>,
}

/// What a process of this site that serves these queues works with.
pub(crate) fn kit(site: &Site, queues: &[Queue], stay: Stay) -> Outcome<Kit> {
    let lookup = placement::lookup(site, queues)?;
    // The queues first: they are refused to whom the site does not belong.
    let Carriers { queues, board } = backends::carriers(site, stay)?;
    let opened = match lookup {
        // A host that has no business with the store has no credentials either (invariant 4).
        Lookup::Directory | Lookup::Nothing => None,
        Lookup::Store => Some(backends::store(site)?),
    };
    let shell = Shell {
        queues,
        store: opened.as_ref().map(Opened::store),
        directory: matches!(lookup, Lookup::Directory).then(|| KnownDirectory::open(&site.directory())),
        host: site.host.clone(),
        health: Health::default(),
        trail: trail(site)?,
        room: room(site),
    };
    Ok(Kit { shell, opened, board })
}

/// A command takes no mail either where there is no room; a process that serves goes on looking.
fn room(site: &Site) -> Room {
    let room = Room::above(site.floor);
    room.saw(&disks(&roots(site)));
    room
}

/// A host without a store keeps no addresses beyond the entries that pass through it (invariant 4).
fn trail(site: &Site) -> Outcome<Trail> {
    let names = placement::has_store(site)?;
    Ok(Trail::new(&site.trail(), TrailConfig { keep: site.trail_keep, max_size: site.trail_size, names }))
}

/// How many entries are being delivered at once, a thread each, and most of them waiting for a connection. A list gets half of those that are not
/// for letters, which is one for each connection, and another one half of the rest ([0047](../../../specs/decisions/0047-turns.md)).
fn places(connections: usize) -> usize {
    2 * connections + 2
}

/// A decision about an entry of this queue is carried out by servers, and not on this host's disk.
fn waits_for_others(queue: Queue, site: &Site) -> bool {
    *site.queue.backend(queue) == QueueBackendKind::Amqp || matches!(site.store, StoreBackendKind::Postgres(_))
}

fn no_thread(error: std::io::Error) -> Failure {
    Failure::io("start a thread", &error)
}

fn deliverer(site: &Site) -> Outcome<Arc<Deliverer>> {
    let ledger = Ledger::open(&site.ledger()).map_err(Failure::unavailable)?;
    let deliverer = Deliverer::new(
        site.relay.clone(),
        site.connections,
        site.host.clone(),
        Timeouts::default(),
        site.ca_file.clone(),
        ledger,
    );
    deliverer.map(Arc::new).map_err(Failure::config)
}

fn names(queues: &[Queue]) -> String {
    queues.iter().map(|queue| queue.name()).collect::<Vec<_>>().join(", ")
}

fn listening(listen: &[String]) -> String {
    if listen.is_empty() { String::new() } else { format!("; listening on {}", listen.join(", ")) }
}
