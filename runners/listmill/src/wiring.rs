//! Which stage serves which queue on this site: the one place that knows them all by name.

use std::sync::Arc;

use listmill_auth::{Auth, AuthConfig};
use listmill_bounce::{Bounce, BounceConfig};
use listmill_command::{Command, CommandConfig};
use listmill_core::Stage;
use listmill_delivery::Deliverer;
use listmill_inbound::{Inbound, InboundConfig, Route};
use listmill_intake::Verdict;
use listmill_letters::{Budget, Letters};
use listmill_moderation::{Moderation, ModerationConfig};
use listmill_outbound::{Outbound, Schedule};
use listmill_pending::{Pending, PendingConfig, page_id};
use listmill_queue_format::Queue;
use listmill_runner::config::Site;
use listmill_runner::{Ahead, DeliveryWorker, Gate, PagingWorker, Runner, Shell, StageWorker, Window};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::texts;

/// The queues that a runner of this version serves. What is bound for another waits in it, durable.
pub(crate) const SERVED: &[Queue] = &Queue::ALL;

pub(crate) fn inbound(site: &Site) -> Inbound {
    Inbound::new(InboundConfig { domains: site.domains.clone(), max_message_size: site.max_message_size })
}

pub(crate) fn auth(site: &Site) -> Auth {
    Auth::new(AuthConfig { trusted_authserv_ids: site.trusted_authserv_ids.clone() })
}

pub(crate) fn moderation(site: &Site) -> Moderation {
    Moderation::new(ModerationConfig { letters: letters(site) })
}

pub(crate) fn pending(site: &Site) -> Pending {
    Pending::new(PendingConfig {
        chunk: site.chunk,
        admins: site.admins.clone(),
        domains: site.domains.clone(),
        letters: letters(site),
    })
}

/// How far ahead of outbound a list is written: enough for a second or two of the fastest smarthost, whatever the size of a page.
fn window(site: &Site) -> Window {
    const RECIPIENTS: usize = 4_000;
    const PAGES: usize = 8;
    let personal = (RECIPIENTS / site.chunk.max(1)).max(PAGES);
    Window::new(Ahead { personal, shared: site.connections + PAGES }, page_id)
}

pub(crate) fn command(site: &Site) -> Command {
    Command::new(CommandConfig { trusted_authserv_ids: site.trusted_authserv_ids.clone(), letters: letters(site) })
}

pub(crate) fn bounce(site: &Site) -> Bounce {
    Bounce::new(BounceConfig { letters: letters(site) })
}

/// What it takes to write letters on this site.
pub(crate) fn letters(site: &Site) -> Letters {
    let budget = Budget { stranger: site.letters, ..Budget::default() };
    Letters { templates: Arc::new(texts::load(site)), budget }
}

pub(crate) fn outbound() -> Outbound {
    Outbound { schedule: Schedule::default() }
}

/// The queues that the runner of this one writes to.
pub(crate) fn writes(queue: Queue) -> &'static [Queue] {
    match queue {
        Queue::Inbound => Inbound::WRITES,
        Queue::Auth => Auth::WRITES,
        Queue::Moderation => Moderation::WRITES,
        Queue::Pending => Pending::WRITES,
        Queue::Outbound => Outbound::WRITES,
        Queue::Bounce => Bounce::WRITES,
        Queue::Command => Command::WRITES,
    }
}

/// The reception of this site.
pub(crate) fn gate(site: &Site, shell: Shell) -> Gate<Inbound> {
    let stage = inbound(site);
    Gate {
        route: Box::new(move |address, view| {
            let route = stage.route(address, view)?;
            Ok(match route {
                Route::Unknown => Verdict::Unknown,
                Route::Invalid(reason) => Verdict::Invalid(reason),
                known => Verdict::Accept { max_size: stage.max_size(&known) },
            })
        }),
        stage: inbound(site),
        shell,
        max_message_size: site.max_message_size,
        postmaster: site.domains.first().map(|domain| format!("postmaster@{domain}")),
    }
}

/// The runner of a queue that needs no sockets.
pub(crate) fn runner(queue: Queue, site: &Site) -> Option<Arc<dyn Runner>> {
    match queue {
        Queue::Inbound => Some(worker(inbound(site))),
        Queue::Auth => Some(worker(auth(site))),
        Queue::Moderation => Some(worker(moderation(site))),
        Queue::Pending => Some(Arc::new(PagingWorker { stage: pending(site), window: window(site) })),
        Queue::Command => Some(worker(command(site))),
        Queue::Bounce => Some(worker(bounce(site))),
        Queue::Outbound => None,
    }
}

/// The runner that delivers.
pub(crate) fn delivery(deliverer: Arc<Deliverer>, runtime: Handle) -> Arc<dyn Runner> {
    Arc::new(DeliveryWorker { stage: outbound(), deliverer, runtime })
}

fn worker<S: Stage + Send + Sync + 'static>(stage: S) -> Arc<dyn Runner> {
    Arc::new(StageWorker(stage))
}

/// Where mail is sent: one thread for all connections, so that what they have to read is read together, what became of it goes to the ledger with
/// one write, and nobody wakes another thread for a reply. It ends with the process.
pub(crate) fn sending() -> std::io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    std::thread::Builder::new()
        .name("sending".to_owned())
        .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
    Ok(handle)
}

/// Where sockets are served. Two threads: the work is elsewhere.
pub(crate) fn runtime() -> std::io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(2).thread_name("sockets").enable_all().build()
}
