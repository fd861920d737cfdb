//! What the program has in the broker: exchanges, queues, bindings, as data. It is declared from here, and
//! `dist/rabbitmq/definitions.json` is this too.

use lapin::types::{AMQPValue, FieldTable};
use listmill_queue_format::Queue;

use super::names::{
    CLASSES, DIRECTORY, NOTICE, STEPS, class_queue, corrupt_queue, due_exchange, exchange, new_key, paused_queue,
    shunt_queue, wait_key, wait_queue, word,
};

/// An entry whose claimers died, or lost the broker, so many times is dead-lettered into the shunt queue at the next.
pub(super) const DELIVERY_LIMIT: i64 = 5;

/// A queue as it is declared.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct QueueShape {
    pub(super) name: String,
    pub(super) arguments: Vec<(&'static str, Argument)>,
}

/// The value of an argument.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Argument {
    Text(String),
    Number(i64),
}

/// Which messages of an exchange go where.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Binding {
    pub(super) exchange: String,
    pub(super) key: String,
    pub(super) queue: String,
}

/// All of it. Every exchange is a durable topic exchange, every queue durable.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Topology {
    pub(super) exchanges: Vec<String>,
    pub(super) queues: Vec<QueueShape>,
    pub(super) bindings: Vec<Binding>,
}

impl Topology {
    /// What all hosts together need.
    pub(super) fn whole() -> Self {
        let mut all = Topology { exchanges: Vec::new(), queues: Vec::new(), bindings: Vec::new() };
        Queue::ALL.into_iter().for_each(|queue| all.add(queue));
        all.exchanges.push(DIRECTORY.to_owned());
        // Not a quorum queue: that drops the newest notice when the one before it is given back.
        all.queue(DIRECTORY.to_owned(), vec![("x-queue-type", text("classic")), ("x-max-length", Argument::Number(1))]);
        all.bind(DIRECTORY, NOTICE, DIRECTORY);
        all
    }

    fn add(&mut self, queue: Queue) {
        let (exchange, due) = (exchange(queue), due_exchange(queue));
        self.exchanges.extend([exchange.clone(), due.clone()]);
        for class in CLASSES {
            let name = class_queue(queue, class);
            let mut arguments = dead_letters(&exchange);
            arguments.push(("x-dead-letter-routing-key", text("shunt")));
            arguments.push(("x-delivery-limit", Argument::Number(DELIVERY_LIMIT)));
            self.queue(name.clone(), arguments);
            self.bind(&exchange, &new_key(class), &name);
            self.bind(&due, &format!("wait.*.{}", word(class)), &name);
        }
        for (name, key) in [(shunt_queue(queue), "shunt"), (corrupt_queue(queue), "corrupt")] {
            self.queue(name.clone(), vec![quorum()]);
            self.bind(&exchange, key, &name);
        }
        let paused = paused_queue(queue);
        self.queue(paused.clone(), vec![quorum(), ("x-max-length", Argument::Number(1))]);
        self.bind(&exchange, "paused", &paused);
        for seconds in STEPS {
            let name = wait_queue(queue, seconds);
            let mut arguments = dead_letters(&due);
            arguments.push(("x-message-ttl", Argument::Number(seconds.cast_signed() * 1000)));
            self.queue(name.clone(), arguments);
            for class in CLASSES {
                self.bind(&exchange, &wait_key(seconds, class), &name);
            }
        }
    }

    fn queue(&mut self, name: String, arguments: Vec<(&'static str, Argument)>) {
        self.queues.push(QueueShape { name, arguments });
    }

    fn bind(&mut self, exchange: &str, key: &str, queue: &str) {
        let binding = Binding { exchange: exchange.to_owned(), key: key.to_owned(), queue: queue.to_owned() };
        self.bindings.push(binding);
    }
}

impl QueueShape {
    pub(super) fn table(&self) -> FieldTable {
        let mut table = FieldTable::default();
        for (name, value) in &self.arguments {
            let value = match value {
                Argument::Text(text) => AMQPValue::LongString(text.as_str().into()),
                Argument::Number(number) => AMQPValue::LongLongInt(*number),
            };
            table.insert((*name).into(), value);
        }
        table
    }
}

fn text(word: &str) -> Argument {
    Argument::Text(word.to_owned())
}

fn quorum() -> (&'static str, Argument) {
    ("x-queue-type", text("quorum"))
}

/// What leaves the queue unasked goes there, and is not forgotten here before it has arrived (at-least-once; that wants reject-publish).
fn dead_letters(exchange: &str) -> Vec<(&'static str, Argument)> {
    vec![
        quorum(),
        ("x-dead-letter-exchange", text(exchange)),
        ("x-dead-letter-strategy", text("at-least-once")),
        ("x-overflow", text("reject-publish")),
    ]
}
