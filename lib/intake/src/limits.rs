//! How much of the machine one client, and all of them, may use.

use std::time::Duration;

/// How much of the machine one client, and all of them, may use. `Limits::default()` is for a server behind a mail
/// transfer agent.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at one time, over all listening sockets; one more is answered `421 4.3.2`. 200.
    pub connections: usize,
    /// Accepted recipients of one message; one more is answered `452 4.5.3`. 1,000 (RFC 5321 §4.5.3.1.8 asks for 100).
    pub recipients: usize,
    /// Octets of a command line, with its CRLF; a longer one is answered `500 5.5.2`. 2,048 (RFC 5321 §4.5.3.1.4
    /// asks for 512, the extensions we offer for some 60 more).
    pub line: usize,
    /// Commands that are wrong in form or order, in one connection; one more and it ends with `421 4.7.0`. 20. A
    /// recipient that does not exist is not such an error: a message may well have 999 of them.
    pub errors: usize,
    /// Commands that bring nothing (NOOP, RSET, VRFY, HELP, another greeting) between two messages; one more and the
    /// connection ends with `421 4.7.0`. 1,000.
    pub idle_commands: usize,
    /// Octets of messages that are in memory because they are arriving or being stored, over all connections. A
    /// client waits for its share. 256 MiB. The reception's own copies come on top.
    pub memory: u64,
    /// How long a client waits for memory until it is answered `452 4.3.1`. 30 s.
    pub memory_wait: Duration,
    /// Octets that are read and dropped of a message beyond its size limit; after so many the connection is closed.
    /// 256 MiB.
    pub dropped: u64,
    /// Questions that are put to the reception at one time. 32.
    pub calls: usize,
    /// Silence after which a connection ends with `421 4.4.2`; also the time in which a whole command line must
    /// arrive. 5 minutes (RFC 5321 §4.5.3.2.7).
    pub idle: Duration,
    /// The time between two finished messages, or from the connection to its first, after which it ends with
    /// `421 4.4.2`, however busy the client is. 1 hour.
    pub transaction: Duration,
    /// Octets per second that a client must send of a message on average, once [`Limits::idle`] is over, or the
    /// connection ends with `421 4.4.2`. 256.
    pub data_rate: u64,
    /// How long the client may leave a reply unread. 1 minute.
    pub reply: Duration,
    /// When the server is told to stop: how long a message that is arriving may go on. 8 s.
    pub stop: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 200,
            recipients: 1_000,
            line: 2_048,
            errors: 20,
            idle_commands: 1_000,
            memory: 256 << 20,
            memory_wait: Duration::from_secs(30),
            dropped: 256 << 20,
            calls: 32,
            idle: Duration::from_secs(5 * 60),
            transaction: Duration::from_secs(60 * 60),
            data_rate: 256,
            reply: Duration::from_secs(60),
            stop: Duration::from_secs(8),
        }
    }
}
