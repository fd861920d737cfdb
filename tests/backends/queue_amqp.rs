//! The queues at a broker: the conformance suite, and what only a broker can do wrong.

use std::time::Duration;

use listmill_queue::{AmqpConfig, AmqpQueues, QueueBackend};
use listmill_queue_format::Queue;
use listmill_tests::rabbit::Rabbit;

use crate::queue_conformance::exercise;

/// A process's queues at this broker.
fn queues(rabbit: &Rabbit) -> AmqpQueues {
    let queues = AmqpQueues::connect(config(rabbit)).unwrap();
    queues.status(Queue::Auth).unwrap(); // from now on it is connected
    queues
}

fn config(rabbit: &Rabbit) -> AmqpConfig {
    AmqpConfig { patience: Duration::from_secs(20), ..AmqpConfig::new(rabbit.url(), "test") }
}

#[test]
fn the_broker_conforms() {
    let Some(rabbit) = Rabbit::start() else { return };
    exercise("AMQP", || {
        let queues = queues(&rabbit);
        rabbit.purge();
        Box::new(queues)
    });
}
