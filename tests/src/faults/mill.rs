//! A site under fire: the real program in one process or in seven, traffic that flows through it, and what came of that.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a harness for tests: processes, the clock, and a failure is the end of the test"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use listmill_core::{Address, ListAddress, StoreView};
use listmill_queue::{DiskQueues, QueueBackend};
use listmill_queue_format::Queue;
use listmill_store::Store;
use listmill_store::control::RemoteStore;

use super::books::{Books, CLIENT, Effect, SMARTHOST, STORE};
use super::ledger::{Kind, Ledger, copy_lines};
use super::smarthost::{Copy, Smarthost};
use super::traffic::{CLUB, DEV, GUARDED, MEMBERS, Traffic, WIDE, member, person};
use crate::program::{Running, Site};

/// The runners, as the command line names them.
pub const RUNNERS: [&str; 7] = ["inbound", "auth", "moderation", "pending", "outbound", "bounce", "command"];
/// Every runner in one process.
pub const WHOLE: &str = "whole";
/// Connections to the smarthost: so many transactions are open at once at most.
pub const CONNECTIONS: usize = 4;
/// How long everything that was accepted may take, from the end of a fault on: what is left in the outbox goes within two sweeps, of a minute each.
const DRAINED: Duration = Duration::from_secs(150);
/// How often it is looked.
const LOOK: Duration = Duration::from_millis(4);

/// The site, its world, and its processes.
pub struct Mill {
    /// The site.
    pub site: Site,
    /// What goes in and comes out.
    pub traffic: Arc<Traffic>,
    processes: BTreeMap<String, Running>,
    run: PathBuf,
    looker: Option<DiskQueues>,
    audited: Option<u64>,
}

impl Mill {
    /// A site in `parent`, of whose list so many members may bounce; its ledgers lie in the directory `run`.
    pub fn new(parent: &Path, run: &Path, wide: u64) -> Mill {
        std::fs::create_dir_all(run).unwrap();
        let smarthost = Smarthost::start(&run.join(SMARTHOST));
        let site = Site::below(parent, &smarthost.url(), &settings());
        site.list(DEV, &[], (0..MEMBERS).map(member));
        site.list(CLUB, &["subscribe_policy=open"], []);
        site.list(GUARDED, &["moderator_notices=off", "hold_notice=off"], []);
        let quiet = ["bounce_brake_post=0", "bounce_brake_relay=0", "bounce_threshold=1000", "nonmember_action=accept"];
        site.list(WIDE, &quiet, (0..wide).map(|number| person(Kind::Bounce, number)));
        let traffic = Arc::new(Traffic::new(Ledger::new(&run.join(CLIENT)), smarthost, wide));
        let (processes, run) = (BTreeMap::new(), run.to_owned());
        let mut mill = Mill { site, traffic, processes, run, looker: None, audited: None };
        mill.start(WHOLE);
        mill.give_return_paths();
        mill
    }

    /// This site as somebody has found it below `parent`, at a moment that has just passed; with the ledgers as they are, in `run`, and a smarthost of its own. Nobody serves it.
    pub fn found_at(&self, parent: &Path, run: &Path) -> Mill {
        std::fs::create_dir_all(run).unwrap();
        [CLIENT, SMARTHOST].iter().for_each(|name| copy_lines(&self.run.join(name), &run.join(name)));
        let smarthost = Smarthost::start(&run.join(SMARTHOST));
        let site = Site::at(parent.join(self.site.dir().file_name().expect("it is a directory in another")));
        site.configure(&smarthost.url(), &settings());
        let traffic = Arc::new(Traffic::new(Ledger::again(&run.join(CLIENT)), smarthost, 0));
        Mill { site, traffic, processes: BTreeMap::new(), run: run.to_owned(), looker: None, audited: None }
    }

    /// One post to those who bounce later.
    fn give_return_paths(&mut self) {
        self.traffic.give_return_paths();
        self.settled().unwrap_or_else(|why| panic!("{why}"));
    }

    /// Starts a process: [`WHOLE`] or a runner.
    pub fn start(&mut self, name: &str) {
        let running = self.site.run_with(&arguments(name));
        self.started(name, running);
    }

    /// The same through a command as `strace`, which may kill it before it is ready; then false.
    pub fn start_through(&mut self, name: &str, through: Vec<String>) -> bool {
        self.site.start_through(through);
        let running = self.site.run_unless_dead(&arguments(name));
        self.site.start_through(Vec::new());
        let is_ready = running.is_some();
        running.into_iter().for_each(|running| self.started(name, running));
        is_ready
    }

    fn started(&mut self, name: &str, running: Running) {
        if running.lmtp.is_some() {
            self.traffic.goes_to(running.lmtp);
        }
        self.processes.insert(name.to_owned(), running);
    }

    /// Starts whichever of these processes do not run.
    pub fn start_missing(&mut self, names: &[&str]) {
        for name in names {
            if self.processes.get_mut(*name).is_none_or(Running::has_ended) {
                self.start(name);
            }
        }
    }

    /// Kills every process.
    pub fn kill_all(&mut self) {
        std::mem::take(&mut self.processes).into_values().for_each(Running::kill);
    }

    /// Kills this one.
    pub fn kill(&mut self, name: &str) {
        self.processes.remove(name).into_iter().for_each(Running::kill);
    }

    /// Asks this one to stop, and waits until it has.
    pub fn stop(&mut self, name: &str) {
        self.processes.remove(name).map(Running::stop);
    }

    /// Asks every process to stop; the longest that one took.
    pub fn stop_all(&mut self) -> Duration {
        std::mem::take(&mut self.processes).into_values().map(Running::stop).max().unwrap_or_default()
    }

    /// The process of this name.
    ///
    /// # Panics
    /// There is none.
    pub fn process(&mut self, name: &str) -> &mut Running {
        self.processes.get_mut(name).unwrap_or_else(|| panic!("{name} was not started"))
    }

    /// Forgets what keeps files of the site open here.
    pub fn let_go(&mut self) {
        self.looker = None;
    }

    /// Whether nothing waits in any queue or in the outbox. An error: something was set aside.
    pub fn is_settled(&mut self) -> Result<bool, String> {
        if self.looker.is_none() {
            self.looker = DiskQueues::open(&self.site.spool()).ok();
        }
        let Some(looker) = &self.looker else { return Ok(false) };
        // An entry may be written to a queue that was looked at before the one that it comes from; not twice.
        for queue in Queue::ALL.into_iter().chain(Queue::ALL) {
            let Ok(status) = looker.status(queue) else { return Ok(false) };
            if status.shunted + status.corrupt > 0 {
                return Err(format!("something was set aside: {status:?}"));
            }
            if status.depth + status.deferred > 0 {
                return Ok(false);
            }
        }
        Ok(self.store().is_some_and(|store| store.outbox(1).is_ok_and(|outbox| outbox.is_empty())))
    }

    /// Waits until nothing waits any more; how long that took.
    pub fn settled(&mut self) -> Result<Duration, String> {
        let began = Instant::now();
        while !self.is_settled()? {
            if began.elapsed() > DRAINED {
                return Err(format!("not drained: {}", self.what_waits()));
            }
            std::thread::park_timeout(LOOK);
        }
        Ok(began.elapsed())
    }

    fn what_waits(&self) -> String {
        let looker = self.looker.as_ref().expect("it was looked");
        let waiting = Queue::ALL.into_iter().filter_map(|queue| looker.status(queue).ok());
        let waiting: Vec<_> = waiting.filter(|status| status.depth + status.deferred > 0).collect();
        let shown: String =
            waiting.iter().map(|status| self.site.ok(&["queue", "show", status.queue.name()]) + "\n").collect();
        let outbox = self.store().map(|store| store.outbox(9).map(|left| left.len()));
        let first =
            shown.split_whitespace().find(|word| word.len() == 36).map(|id| self.site.ok(&["queue", "show", id]));
        format!("{waiting:?}, in the outbox: {outbox:?}; {shown}; {}", first.unwrap_or_default())
    }

    /// Waits until this process has died, or nothing waits any more; true when it has died.
    pub fn died_or_settled(&mut self, name: &str) -> bool {
        let began = Instant::now();
        while !self.process(name).is_dead() && self.is_settled() != Ok(true) && began.elapsed() < DRAINED {
            std::thread::park_timeout(LOOK);
        }
        // It may have died behind the last look.
        self.process(name).is_dead()
    }

    fn store(&self) -> Option<RemoteStore> {
        RemoteStore::connect(&self.site.dir().join("data/control.sock")).ok()
    }

    /// What became of the submissions from this number on.
    pub fn books_since(&mut self, first: u64) -> Books {
        let submissions = self.traffic.ledger.since(first);
        // What belongs to an earlier fault, and came late, is in the sum of all.
        let mut effects = self.effects(first);
        effects.retain(|effect| submissions.keys().any(|(kind, number)| person(*kind, *number) == effect.person));
        let mut copies = BTreeMap::new();
        let mut look = |copy: Copy| {
            let times = self.traffic.smarthost.times(&copy);
            if times > 0 {
                copies.insert(copy, times);
            }
        };
        for (kind, number) in submissions.keys() {
            match kind {
                Kind::Post => (0..MEMBERS).for_each(|to| look(Copy { post: Some(*number), to: member(to) })),
                Kind::Join => look(Copy { post: None, to: person(*kind, *number) }),
                Kind::Held | Kind::Bounce => {}
            }
        }
        Books::join(&submissions, &copies, &effects)
    }

    /// Writes down what the store says of everything, and joins all ledgers.
    pub fn close_books(&mut self) -> Books {
        self.audited = None;
        let lines: Vec<String> = self.effects(0).iter().map(|effect| serde_json::to_string(effect).unwrap()).collect();
        std::fs::write(self.run.join(STORE), lines.join("\n") + "\n").unwrap();
        Books::read(&self.run)
    }

    /// What the audit log has noted since it was last asked, and whether it is so.
    fn effects(&mut self, first: u64) -> Vec<Effect> {
        let store = self.store().expect("somebody owns the store");
        let mut times: BTreeMap<(Kind, String), usize> = BTreeMap::new();
        loop {
            let page = store.audit(self.audited, 1_000).unwrap();
            let Some((last, _)) = page.last() else { break };
            self.audited = Some(*last);
            for line in page.iter().flat_map(|(_, record)| &record.what) {
                done(line).into_iter().for_each(|done| *times.entry(done).or_default() += 1);
            }
        }
        for ((kind, number), _) in self.traffic.ledger.since(first) {
            if kind != Kind::Post {
                times.entry((kind, person(kind, number))).or_default();
            }
        }
        let held = held(&store);
        let effect = |((kind, person), times): ((Kind, String), usize)| {
            let found = found(&store, kind, &person, &held);
            // A bounce is on no record but the member's: that of two there has two events, and counts twice.
            let times = if kind == Kind::Bounce { found } else { times };
            (found > 0 || times > 0).then_some(Effect { kind, person, times, there: found > 0 })
        };
        times.into_iter().filter_map(effect).collect()
    }
}

fn settings() -> String {
    format!("connections = {CONNECTIONS}\n[command]\nclock = \"12h\"\n")
}

fn arguments(name: &str) -> Vec<&str> {
    // What is told is kept here: only that it is ready, and what goes wrong.
    let mut arguments = vec!["--log-level", "warn,listmill::serve=info"];
    arguments.extend((name != WHOLE).then_some(name));
    arguments
}

/// What a line of the audit log says was done, and about whom.
fn done(line: &str) -> Option<(Kind, String)> {
    let between = |list: &str, before: &str, after: &str| {
        let rest = line.strip_prefix(list)?.strip_prefix(": ")?.strip_prefix(before)?;
        rest.split_once(after).map(|(person, _)| person.to_owned())
    };
    let joined = || between(CLUB, "", " added as member").map(|person| (Kind::Join, person));
    let held = || between(GUARDED, "post by ", " held").map(|person| (Kind::Held, person));
    joined().or_else(held)
}

/// Authors of all held posts.
fn held(store: &RemoteStore) -> Vec<String> {
    let (list, mut authors, mut after): (ListAddress, _, _) = (GUARDED.parse().unwrap(), Vec::new(), None);
    loop {
        let page = store.held(&list, after, 500).unwrap();
        let Some(last) = page.last() else { return authors };
        after = Some(last.id);
        authors.extend(page.into_iter().map(|post| post.author));
    }
}

/// How often the store has it.
fn found(store: &RemoteStore, kind: Kind, person: &str, held: &[String]) -> usize {
    let address: Address = person.parse().unwrap();
    match kind {
        Kind::Post => 0,
        Kind::Join => usize::from(store.member(&CLUB.parse().unwrap(), &address).unwrap().is_some()),
        Kind::Held => held.iter().filter(|author| *author == person).count(),
        Kind::Bounce => {
            store.bounces(&WIDE.parse().unwrap(), &address).unwrap().map_or(0, |record| record.events.len())
        }
    }
}
