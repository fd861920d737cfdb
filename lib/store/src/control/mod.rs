//! The owner's control socket: how administration commands work while another process owns the store.

mod answers;
mod protocol;
mod remote;
mod server;
#[cfg(test)]
mod tests;

pub use remote::RemoteStore;
pub use server::{Attendant, ControlError, Draining, Server};
