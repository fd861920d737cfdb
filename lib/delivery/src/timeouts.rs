//! How long each step of a conversation may take.

use std::time::Duration;

/// The limits of RFC 5321 §4.5.3.2, and three that it leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until the TCP connection stands; RFC 5321 names none. Default 30 s.
    pub connect: Duration,
    /// For the greeting, and for each reply before the first transaction (EHLO, STARTTLS, AUTH). Default 5 min.
    pub greeting: Duration,
    /// For the reply to MAIL. Default 5 min.
    pub mail: Duration,
    /// For the reply to each RCPT. Default 5 min.
    pub rcpt: Duration,
    /// For the 354 to DATA. Default 2 min.
    pub data: Duration,
    /// For each block of the message to be taken by the socket. Default 3 min.
    pub block: Duration,
    /// For the reply to the final dot: it is long because giving up here may deliver twice (RFC 1047). Default 10 min.
    pub dot: Duration,
    /// For each reply to commands that were sent together; who has said nothing by then is asked again one by one. Default 1 min.
    pub group: Duration,
    /// How long a connection waits for another transaction before it is closed. Default 30 s.
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let minutes = |count: u64| Duration::from_secs(count * 60);
        Timeouts {
            connect: Duration::from_secs(30),
            greeting: minutes(5),
            mail: minutes(5),
            rcpt: minutes(5),
            data: minutes(2),
            block: minutes(3),
            dot: minutes(10),
            group: minutes(1),
            idle: Duration::from_secs(30),
        }
    }
}
