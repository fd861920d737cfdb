//! A runner in Python that dies before its n-th call to the system, for every n: nothing is lost, and no more is repeated than was in flight.
//!
//! The interpreter tells a hook of each call before it is made (PEP 578); the hook ends the process there, without a chance to tidy up.

use listmill_queue::{DiskQueues, QueueBackend, State};
use listmill_queue_format::{Entry, Queue, decode};
use listmill_tests::needs::needs;
use listmill_tests::sink::{Answer, Asked, Script, Sink, Step};
use tempfile::TempDir;

use crate::outbound::outgoing;
use crate::python;

/// For each place of kill n = 1, 2, …: a child that dies before its n-th call, and one that goes on where it died, each until there is nothing to claim.
/// argv: the module, then its arguments, in which `%d` stands for n. Prints how many calls there are.
const DYING: &str = "
import os, sys
runner, arguments = __import__(sys.argv[1]), sys.argv[2:]
watched = {'open', 'os.rename', 'os.remove', 'os.symlink', 'os.truncate', 'fcntl.flock', 'smtplib.send', 'smtplib.connect', 'os.listdir', 'ledger.record'}
if ledger := sys.modules.get('listmill_ledger'):  # a final reply was read, and is not yet written down
    record = ledger.Page.record
    ledger.Page.record = lambda *arguments: (sys.audit('ledger.record'), record(*arguments))

def work_off(name, reads, carry, idle=None):
    while claim := reads.claim():
        carry(claim, lambda: False)
    return 0

def child(number, left):
    if pid := os.fork():
        return os.waitpid(pid, 0)[1]
    def hook(event, _):
        nonlocal left
        if event in watched:
            left -= 1
            if left == 0:
                os._exit(137)
    sys.addaudithook(hook)
    sys.argv[1:] = [argument.replace('%d', str(number)) for argument in arguments]
    runner.serve = work_off
    code = 1
    try:
        code = runner.main()
    finally:
        os._exit(code)

number = died = 1
while died:
    died = child(number, number)
    assert os.waitstatus_to_exitcode(died) in (0, 137), died
    assert child(number, 0) == 0
    number += 1
print(number - 1)
";

/// More than any runner here makes calls for one entry.
const MOST: usize = 150;

/// In memory, where the system has a place for that: these tests are about kills, not about power cuts, and sync a lot.
fn directory() -> TempDir {
    TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap()
}

/// Lets the module die before each of its calls; how many there are.
fn killed_everywhere(arguments: &[&str]) -> usize {
    let told = python::run(&[&["-c", DYING], arguments].concat());
    let calls = String::from_utf8(told).unwrap().trim().parse().unwrap();
    assert!(calls < MOST, "{calls} calls");
    calls
}

fn entries(queues: &DiskQueues, queue: Queue, state: State) -> Vec<Entry> {
    let listed = queues.list(queue, state, 10).unwrap();
    let ids = listed.into_iter().map(|listed| listed.entry.unwrap().id);
    ids.map(|id| decode(&queues.find(id).unwrap().unwrap().bytes).unwrap()).collect()
}

fn answer(asked: &Asked<'_>) -> Answer {
    match asked.step {
        Step::Rcpt if asked.argument.starts_with("no-") => Answer::say("550 5.1.1 no such mailbox"),
        Step::Rcpt if asked.argument.starts_with("later-") => Answer::say("451 4.2.2 full now"),
        _ => Answer::Usual,
    }
}

#[test]
fn outbound_in_python_may_die_before_any_call() {
    let Some(_) = needs("python3") else { return };
    let sink = Sink::start(Script::answering(answer));
    let dir = directory();
    let spool = |at: usize| dir.path().join(format!("spool{at}"));
    let sent = |at: usize| outgoing(&at.to_string(), 1);
    for at in 1..MOST {
        DiskQueues::open(&spool(at)).unwrap().put(&[sent(at)]).unwrap();
    }
    let path = |name: &str| dir.path().join(name).to_string_lossy().into_owned();
    let (spools, ledgers, relay) = (path("spool%d"), path("ledger%d"), sink.address().to_string());
    let calls = killed_everywhere(&["listmill_outbound", "--spool", &spools, "--ledger", &ledgers, "--relay", &relay]);
    let (served, mut repeats) = (sink.served(), 0);
    for at in 1..=calls {
        let queues = DiskQueues::open(&spool(at)).unwrap();
        assert_eq!(queues.status(Queue::Outbound).unwrap().depth, 0, "killed before call {at}");
        for (queue, state, who) in [(Queue::Bounce, State::New, 1), (Queue::Outbound, State::Deferred, 2)] {
            let entries = entries(&queues, queue, state);
            assert_eq!(entries.len(), 1, "{queue}, killed before call {at}");
            let addresses: Vec<&str> = entries[0].recipients.iter().map(|one| one.address.as_str()).collect();
            assert_eq!(addresses, [sent(at).recipients[who].address.as_str()], "killed before call {at}");
        }
        let twice: usize = [0, 3].into_iter().map(|who| served[&sent(at).recipients[who].address] - 1).sum();
        assert!(twice <= 1, "one connection, so one repeat: {twice} after a kill before call {at}");
        repeats += twice;
    }
    assert!(calls > 40 && repeats > 0, "only {calls} calls, and none behind a final reply");
    println!(
        "outbound in Python, killed before each of {calls} calls: nobody skipped, {repeats} copies repeated, at most one a kill"
    );
}

#[test]
fn a_filter_in_python_may_die_before_any_call() {
    let Some(_) = needs("python3") else { return };
    let dir = directory();
    let [before, behind] = ["before", "behind"].map(|name| dir.path().join(name));
    let sent = Entry { queue: Queue::Pending, ..outgoing("x", 1) };
    for at in 1..MOST {
        DiskQueues::open(&before.join(at.to_string())).unwrap().put(std::slice::from_ref(&sent)).unwrap();
    }
    let [from, to] = [&before, &behind].map(|dir| dir.join("%d").to_string_lossy().into_owned());
    let calls = killed_everywhere(&["listmill_filter", "--via", &from, "--spool", &to, "--mark", "X-Seen: yes"]);
    for at in 1..=calls {
        let via = DiskQueues::open(&before.join(at.to_string())).unwrap();
        assert_eq!(via.status(Queue::Pending).unwrap().depth, 0, "killed before call {at}");
        let queues = DiskQueues::open(&behind.join(at.to_string())).unwrap();
        let passed = entries(&queues, Queue::Pending, State::New);
        assert_eq!(passed.len(), 1, "killed before call {at}");
        let mut expected = Entry { recipients: sent.recipients.clone(), ..sent.derive("filter", 0, Queue::Pending) };
        expected.message = [b"X-Seen: yes\r\n".as_slice(), &sent.message].concat().into();
        expected.trace.clone_from(&passed[0].trace);
        assert_eq!(passed[0], expected, "with all that it had");
        assert_eq!((passed[0].trace.len(), passed[0].trace[0].runner.as_str()), (1, "filter"));
    }
    assert!(calls > 15, "only {calls} calls");
    println!("a filter in Python, killed before each of {calls} calls: nothing lost, nothing twice");
}
