//! The command stage: somebody asks for something.
//!
//! Reads: the command queue; from the store, the list, the requester's membership, the ban lists, and the signing keys.
//! Writes: pending (what a person must see goes to the owners); changes of the roster go into the store.
//! Never: answers automatic mail (RFC 3834), or changes anything without a valid token.

mod leave;
mod stage;

pub use stage::Command;
