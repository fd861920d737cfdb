//! What `dist/` ships, exercised by the programs that it is for: systemd's own judgement of the units, a real Postfix on both sides of listmill.
//!
//! Each test needs its program (`listmill_tests::needs`), and none touches the system's services.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "files, programs, a clock")]

mod postfix;
mod systemd;
