//! lib/delivery and the outbound stage against a scripted next host on real sockets.

mod broken;
mod connections;
mod content;
mod extensions;
mod ledger;
mod lmtp;
mod maildir;
mod outcomes;
mod replies;
mod setting;
mod tls;
