//! What `dist/` ships, exercised by the programs that it is for: systemd's own judgement of the units, a real Postfix on both sides of listmill.
//!
//! Each test needs its program (`listmill_tests::needs`), and none touches the system's services.
#![cfg(test)]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "files, programs, a clock, sockets: as the world outside"
)]

mod postfix;
mod systemd;
mod three_hosts;
