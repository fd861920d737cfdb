//! One site on several hosts: each process opens what its runners need, and nothing else, and mail passes from host to host.
#![cfg(test)]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "processes, files, sockets and threads of tests"
)]

mod broker;
mod checked;
mod database;
mod drained;
mod founding;
mod shared;
mod story;
