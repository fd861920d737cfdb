//! One site on several hosts: each process opens what its runners need, and nothing else, and mail passes from host to host.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "processes, files and threads of tests")]

mod broker;
mod checked;
mod database;
mod drained;
mod shared;
mod story;
