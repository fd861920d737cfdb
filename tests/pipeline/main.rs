//! The real program from end to end: mail goes in by LMTP, and what comes out is counted.

mod administration;
mod corpora;
mod explained;
mod posts;
mod refusals;
mod stopping;
