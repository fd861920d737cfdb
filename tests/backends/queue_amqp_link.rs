//! A link to the broker that is slow, or stands still for a while.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use listmill_queue::{AmqpConfig, AmqpQueues, Kind, QueueBackend};
use listmill_queue_format::{Entry, Queue};
use listmill_tests::program::wait_for;
use listmill_tests::rabbit::Rabbit;

use crate::queue::{claim, entry};
use crate::queue_amqp::config;

/// Well below the time after which either side takes a silent connection for dead (10 s).
const PATIENCE: Duration = Duration::from_secs(3);

/// What a process publishes goes through it, when it is open.
#[derive(Default)]
struct Gate {
    shut: Mutex<bool>,
    changed: Condvar,
}

impl Gate {
    /// A way to the broker with this gate in it: its port.
    fn before(self: &Arc<Self>, rabbit: &Rabbit) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        self.let_in(listener, rabbit.port);
        port
    }

    /// Whoever connects to the listener is led to the broker, through this gate.
    fn let_in(self: &Arc<Self>, listener: TcpListener, broker: u16) {
        let gate = Arc::clone(self);
        thread::spawn(move || {
            for near in listener.incoming() {
                let (Ok(near), Ok(far)) = (near, TcpStream::connect(("127.0.0.1", broker))) else { return };
                let (back, out) = (far.try_clone().unwrap(), near.try_clone().unwrap());
                let gate = Arc::clone(&gate);
                thread::spawn(move || carry(near, far, Some(&gate)));
                thread::spawn(move || carry(back, out, None));
            }
        });
    }

    fn set(&self, shut: bool) {
        *self.shut.lock().unwrap() = shut;
        self.changed.notify_all();
    }

    fn pass(&self) {
        drop(self.changed.wait_while(self.shut.lock().unwrap(), |shut| *shut).unwrap());
    }
}

/// Only the connection that publishes, as it says of itself, stops at the gate.
fn carry(mut from: TcpStream, mut to: TcpStream, gate: Option<&Gate>) {
    let mut publishes = false;
    let mut octets = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut octets) {
        publishes = publishes || octets[..count].windows(10).any(|words| words == b"publishing");
        if let Some(gate) = gate.filter(|_| publishes) {
            gate.pass();
        }
        if to.write_all(&octets[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both); // it may be closed already
}

#[test]
fn what_takes_too_long_fails_alone_and_what_is_large_may_take_longer() {
    let Some(rabbit) = Rabbit::start() else { return };
    let gate = Arc::new(Gate::default());
    let url = rabbit.url().replace(&rabbit.port.to_string(), &gate.before(&rabbit).to_string());
    let queues = AmqpQueues::connect(AmqpConfig { url, patience: PATIENCE, ..config(&rabbit) }).unwrap();
    wait_for("the first entry to be taken", || queues.put(&[entry("in hand")]).is_ok());
    let in_hand = claim(&queues);

    gate.set(true);
    let error = queues.put(&[entry("late")]).unwrap_err();
    assert!(error.is_temporary() && matches!(error.kind(), Kind::Away(_)), "{error}");
    gate.set(false);
    queues.put(&[entry("in time")]).unwrap();

    let large = Entry { message: vec![b'x'; 4 << 20].into(), ..entry("large") };
    gate.set(true);
    thread::scope(|scope| {
        let put = scope.spawn(|| queues.put(&[large]));
        // Meanwhile two others are too late, one after the other.
        assert!([entry("small"), entry("small")].map(|small| queues.put(&[small])).iter().all(Result::is_err));
        gate.set(false);
        put.join().unwrap().unwrap();
    });

    queues.release(in_hand.claim).unwrap();
    let mut sizes = [(); 5].map(|()| {
        let claimed = claim(&queues);
        queues.release(claimed.claim).unwrap();
        claimed.entry.message.len()
    });
    sizes.sort_unstable();
    assert_eq!(sizes[4], 4 << 20);
    assert!(sizes[3] < 1000, "what came late was not thrown away: {sizes:?}");
    assert_eq!(queues.status(Queue::Auth).unwrap().depth, 0);
}

#[test]
fn who_waits_before_there_is_a_link_has_what_comes_as_soon_as_there_is_one() {
    let Some(rabbit) = Rabbit::start() else { return };
    AmqpQueues::connect(config(&rabbit)).unwrap().put(&[entry("there already")]).unwrap();

    // Who connects is in the listener's queue until somebody accepts.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = rabbit.url().replace(&rabbit.port.to_string(), &listener.local_addr().unwrap().port().to_string());
    let queues = Arc::new(AmqpQueues::connect(AmqpConfig { url, ..config(&rabbit) }).unwrap());
    let (claimer, (claims, claimed)) = (Arc::clone(&queues), mpsc::channel());
    thread::spawn(move || {
        claims.send(claimer.claim(Queue::Auth, Duration::ZERO)).unwrap();
        let claim = claimer.claim(Queue::Auth, Duration::MAX);
        claims.send(claim).unwrap();
    });
    claimed.recv().unwrap().expect_err("nobody has answered yet");

    Arc::new(Gate::default()).let_in(listener, rabbit.port);
    let mut had = None;
    wait_for("the entry to be claimed", || {
        had = claimed.try_recv().ok();
        had.is_some()
    });
    let one = had.unwrap().unwrap().expect("it was put before");
    queues.release(one.claim).unwrap();
}
