//! The inbound stage: a message arrived; which list, and which address of it?
//!
//! Reads: the inbound queue; from the store, which lists there are and their size limits.
//! Writes: auth (posts, mail to owners and to the site admins), bounce, command.
//! Never: reads a roster, looks at a body, or answers anybody.

mod route;
mod stage;

pub use route::Route;
pub use stage::{Inbound, InboundConfig};
