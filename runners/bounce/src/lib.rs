//! The bounce stage: a delivery failed; whom does that concern?
//!
//! Reads: the bounce queue; from the store, lists, memberships, what is known of failed deliveries and what was counted, open
//! requests and the signing keys.
//! Writes: outbound (probes, notices, what owners are told), bounce (the next page of a round of the clock); changes go into the store.
//! Never: believes an address that a message names, answers a bounce, or lets a failure count that is not the recipient's.
//!
//! A failure is *noted* when it comes in; what follows from it happens when the clock rings (`steps`), so that by then it is known whether
//! a post or a relay was refused as a whole. `specs/runners/bounce.md` tells the whole way.

mod brake;
mod complaint;
mod config;
mod day;
mod failed;
mod note;
mod record;
mod requests;
mod session;
mod stage;
mod steps;
mod tell;
mod tick;
mod unread;

pub use config::BounceConfig;
pub use stage::Bounce;
