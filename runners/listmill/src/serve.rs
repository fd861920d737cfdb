//! `listmill run`: the runners of one process, from start to a graceful stop.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use listmill_core::NoStore;
use listmill_delivery::{Deliverer, Ledger, Timeouts};
use listmill_intake::{Limits, Server as Intake};
use listmill_queue_format::{Queue, Timestamp};
use listmill_runner::config::Site;
use listmill_runner::{Health, Shell, Stop, keep_time, remember_panics, serve, sweep_outbox};
use listmill_store::Opened;
use listmill_store::control::Server as Control;
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle as Task;

use crate::commands::init::make_private;
use crate::failure::{Failure, Outcome};
use crate::{office, wiring};

/// Threads of a runner that decides; the one that delivers has as many as it has connections.
const THREADS: usize = 2;
/// Of the one that changes the store with nearly every entry: those who commit at the same time share their syncs.
const COMMITTING_THREADS: usize = 8;
/// How long a client that is handing in a message may go on after the stop.
const LAST_MESSAGE: Duration = Duration::from_secs(6);

pub(crate) fn run(site: Site, runners: Vec<Queue>, host: Option<String>) -> Outcome {
    let queues = chosen(&site, runners, host)?;
    let runtime = wiring::runtime().map_err(|error| Failure::io("start the runtime", &error))?;
    let serving = Serving::start(&site, &queues, &runtime)?;
    runtime.block_on(stop_signal())?;
    tracing::info!("stopping: what is in hand is finished first");
    serving.stop(&runtime);
    tracing::info!("stopped");
    Ok(())
}

/// Which queues this process serves.
fn chosen(site: &Site, runners: Vec<Queue>, host: Option<String>) -> Outcome<Vec<Queue>> {
    let queues = match host {
        Some(name) => site.hosts.get(&name).cloned().ok_or_else(|| {
            let known: Vec<_> = site.hosts.keys().map(String::as_str).collect();
            Failure::config(format!("[hosts] places nothing on {name:?}; it names: {}", known.join(", ")))
        })?,
        None if runners.is_empty() => wiring::SERVED.to_vec(),
        None => runners,
    };
    match queues.iter().find(|queue| !wiring::SERVED.contains(queue)) {
        Some(queue) => {
            Err(Failure::usage(format!("this version has no {queue} runner; its entries wait in their queue")))
        }
        None => Ok(queues),
    }
}

async fn stop_signal() -> Outcome {
    let listen = |kind| signal(kind).map_err(|error| Failure::io("listen for signals", &error));
    let (mut term, mut int) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    Ok(())
}

/// The runners of this process, serving.
pub(crate) struct Serving {
    shell: Shell,
    stop: Stop,
    threads: Vec<JoinHandle<()>>,
    intake: Option<(watch::Sender<bool>, Task<()>)>,
    deliverer: Option<Arc<Deliverer>>,
    /// Where mail comes in, with the ports that the system chose.
    pub(crate) listen: Vec<String>,
    _control: Option<Control>,
}

impl Serving {
    /// Starts serving these queues; returns when every socket listens.
    pub(crate) fn start(site: &Site, queues: &[Queue], runtime: &Runtime) -> Outcome<Serving> {
        remember_panics();
        let queue_backend = office::queues(site)?;
        // A host that only delivers needs no store, and must not have one (invariant 4).
        let opened = if queues == [Queue::Outbound] {
            None
        } else {
            Some(listmill_store::open(site.store(), &site.socket(), site.cascade.clone())?)
        };
        if let Some(Opened::Remote(_)) = &opened {
            tracing::warn!(
                "another process owns the store: this one works through it, and waits whenever no such process serves; \
                 `listmill status` shows them all"
            );
        }
        let shell = Shell {
            queues: queue_backend,
            store: opened.as_ref().map(Opened::store),
            host: site.host.clone(),
            health: Health::default(),
        };
        let left = shell.empty_outbox().map_err(Failure::try_again)?;
        if left > 0 {
            tracing::warn!("{left} entries were left in the outbox by a crash; they are in their queues now");
        }
        let mut serving = Serving {
            shell,
            stop: Stop::default(),
            threads: Vec::new(),
            intake: None,
            deliverer: None,
            listen: Vec::new(),
            _control: None,
        };
        serving.start_runners(site, queues, runtime)?;
        serving.start_control(site, opened.as_ref())?;
        tracing::info!("ready: serving {}{}", names(queues), listening(&serving.listen));
        Ok(serving)
    }

    fn start_runners(&mut self, site: &Site, queues: &[Queue], runtime: &Runtime) -> Outcome {
        if queues.contains(&Queue::Inbound) {
            self.start_intake(site, runtime)?;
        }
        let no_thread = |error| Failure::io("start a thread", &error);
        for queue in queues {
            let (runner, threads) = match wiring::runner(*queue, site) {
                Some(runner) if *queue == Queue::Command => (runner, COMMITTING_THREADS),
                Some(runner) => (runner, THREADS),
                None => {
                    let deliverer = deliverer(site)?;
                    self.deliverer = Some(deliverer.clone());
                    (wiring::delivery(deliverer, runtime.handle().clone()), site.connections)
                }
            };
            self.threads.extend(serve(&runner, threads, &self.shell, &self.stop).map_err(no_thread)?);
        }
        if self.shell.store.is_some() {
            self.threads.push(sweep_outbox(&self.shell, &self.stop).map_err(no_thread)?);
        }
        if queues.contains(&Queue::Command) {
            self.threads.push(keep_time(site.clock, &self.shell, &self.stop).map_err(no_thread)?);
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
        self.intake = Some((sender, runtime.spawn(intake.run(receiver))));
        Ok(())
    }

    /// The owner of the store answers for it, and every process for itself.
    fn start_control(&mut self, site: &Site, opened: Option<&Opened>) -> Outcome {
        let socket = match opened {
            Some(Opened::Own(_)) => site.socket(),
            _ => site.socket_of(std::process::id()),
        };
        let store = self.shell.store.clone().unwrap_or_else(|| Arc::new(NoStore));
        make_private(&site.data).map_err(|error| Failure::io(format!("make {}", site.data.display()), &error))?;
        let (health, host, listen) = (self.shell.health.clone(), site.host.clone(), self.listen.clone());
        let since = Timestamp::now();
        let status = move || {
            json!({
                "host": host, "pid": std::process::id(), "since": since, "listen": listen, "runners": health.all(),
            })
        };
        let control = Control::bind(&socket, store, Arc::new(status)).map_err(Failure::unavailable)?;
        self._control = Some(control);
        Ok(())
    }

    /// Takes no more work, finishes what is in hand, and returns.
    pub(crate) fn stop(self, runtime: &Runtime) {
        self.stop.stop();
        self.shell.queues.wake();
        if let Some(deliverer) = &self.deliverer {
            deliverer.stop();
        }
        if let Some((sender, task)) = self.intake {
            // The server may have ended by itself; then there is nobody to tell.
            let _ = sender.send(true);
            if runtime.block_on(task).is_err() {
                tracing::error!("the intake ended by a panic");
            }
        }
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a runner's thread ended by a panic");
            }
        }
        if let Some(deliverer) = &self.deliverer {
            runtime.block_on(deliverer.close());
        }
    }
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
