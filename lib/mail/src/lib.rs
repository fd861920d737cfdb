//! Messages: reading them, editing their headers byte for byte, composing our own.
//!
//! A post that only passes through is never written back from a parsed form: [`edit`] works on the raw bytes, at the
//! offsets that [`message`] found. Everything here is pure, never panics on what arrives, and takes time and memory
//! in proportion to the message.
//!
//! Architecture invariant: nothing here reads a clock, a host name or a random source; dates, ids and boundaries come
//! from the caller.

mod addresses;
pub mod aligned;
mod attached;
pub mod author;
pub mod authres;
pub mod automatic;
pub mod bounce;
pub mod compose;
pub mod decoration;
pub mod edit;
mod escape;
pub mod field;
mod footer;
pub mod limits;
pub mod listheaders;
pub mod loops;
mod mac;
mod mailbox;
pub mod message;
mod mime;
pub mod prefixes;
pub mod reply;
mod rfc2047;
pub mod sender;
mod signed;
mod subjects;
#[cfg(test)]
mod test_addresses;
pub mod text;
pub mod token;
pub mod verp;
