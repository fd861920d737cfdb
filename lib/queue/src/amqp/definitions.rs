//! The topology as RabbitMQ imports it, with a user for each host: `dist/rabbitmq/definitions.json`.

use listmill_queue_format::Queue;
use serde_json::{Map, Value, json};

use super::names::{DIRECTORY, exchange};
use super::topology::{Argument, Topology};

/// The virtual host in which everything is.
const VHOST: &str = "/";

/// A host's user at the broker, and what it may do there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AmqpHost {
    /// The user's name; the host's.
    pub name: String,
    /// The queues that its runners serve.
    pub reads: Vec<Queue>,
    /// The queues that its runners write to, besides.
    pub writes: Vec<Queue>,
    /// It posts the directory of lists; the others read it.
    pub posts: bool,
}

/// What an operator imports with `rabbitmqctl import_definitions`. The users have no password, and so cannot log in, until
/// `rabbitmqctl change_password` gives them one; none of them may declare anything.
pub fn amqp_definitions(hosts: &[AmqpHost]) -> Value {
    let topology = Topology::whole();
    let exchanges: Vec<Value> = topology.exchanges.iter().map(|name| durable(name, "exchange", &[])).collect();
    let queues: Vec<Value> =
        topology.queues.iter().map(|queue| durable(&queue.name, "queue", &queue.arguments)).collect();
    let bindings: Vec<Value> = topology
        .bindings
        .iter()
        .map(|binding| {
            json!({
                "source": binding.exchange, "vhost": VHOST, "destination": binding.queue, "destination_type": "queue",
                "routing_key": binding.key, "arguments": {},
            })
        })
        .collect();
    let user = |host: &AmqpHost| json!({"name": host.name, "password_hash": "", "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": []});
    let rights = |host: &AmqpHost| json!({"user": host.name, "vhost": VHOST, "configure": "^$", "write": host.write(), "read": host.read()});
    json!({
        "vhosts": [{"name": VHOST}],
        "users": hosts.iter().map(user).collect::<Vec<_>>(),
        "permissions": hosts.iter().map(rights).collect::<Vec<_>>(),
        "exchanges": exchanges,
        "queues": queues,
        "bindings": bindings,
    })
}

fn durable(name: &str, what: &str, arguments: &[(&'static str, Argument)]) -> Value {
    let mut all = Map::new();
    for (name, value) in arguments {
        let value = match value {
            Argument::Text(text) => json!(text),
            Argument::Number(number) => json!(number),
        };
        all.insert((*name).to_owned(), value);
    }
    let mut shape = json!({"name": name, "vhost": VHOST, "durable": true, "auto_delete": false, "arguments": all});
    if what == "exchange" {
        shape["type"] = json!("topic");
        shape["internal"] = json!(false);
    }
    shape
}

impl AmqpHost {
    /// Exchanges: a runner also writes to the queue that it serves, when it defers and shunts.
    fn write(&self) -> String {
        let mut names: Vec<String> = Queue::ALL
            .into_iter()
            .filter(|queue| self.reads.contains(queue) || self.writes.contains(queue))
            .map(exchange)
            .collect();
        names.extend(self.posts.then(|| DIRECTORY.to_owned()));
        anchored(&names, "")
    }

    /// Queues: those of its runners with all that belongs to them, and the notice board.
    fn read(&self) -> String {
        let mut names: Vec<String> =
            Queue::ALL.into_iter().filter(|queue| self.reads.contains(queue)).map(exchange).collect();
        names.push(DIRECTORY.to_owned());
        anchored(&names, r"(\..*)?")
    }
}

fn anchored(names: &[String], rest: &str) -> String {
    let words: Vec<&str> = names.iter().filter_map(|name| name.strip_prefix("listmill.")).collect();
    format!(r"^listmill\.({}){rest}$", words.join("|"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_may_do_what_its_runners_do() {
        let out = AmqpHost {
            name: "out1".to_owned(),
            reads: vec![Queue::Outbound],
            writes: vec![Queue::Bounce],
            posts: false,
        };
        assert_eq!(out.write(), r"^listmill\.(outbound|bounce)$");
        assert_eq!(out.read(), r"^listmill\.(outbound|directory)(\..*)?$");
        let all = amqp_definitions(&[out]);
        assert_eq!(all["permissions"][0]["configure"], "^$");
        assert!(all["queues"].as_array().unwrap().iter().any(|queue| queue["name"] == "listmill.outbound.wait.600"));
    }
}
