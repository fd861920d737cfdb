//! The real program from end to end: mail goes in by LMTP, and what comes out is counted.
#![cfg(test)]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "looks at spools, copies and corpora as files"
)]

mod administration;
mod alike;
mod backup;
mod bounces;
mod budget;
mod commands;
mod corpora;
mod explained;
mod hostile;
mod mail_programs;
mod moderated;
mod posts;
mod refusals;
mod refused;
mod shared;
mod stopping;
mod templates;
mod thousand;
mod traced;
