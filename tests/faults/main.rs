//! The faults of the table in specs/reliability.md, injected from outside into the real program: nothing lost, nothing twice beyond the bound.
//!
//! One file per group of rows. Each fault has two forms: a quick sample of seconds that always runs, and the whole, which `tests/run --faults` runs
//! ([`listmill_tests::faults::full`]). Each prints its line ([`listmill_tests::faults::Line`]), which the table quotes.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "processes, files and a clock to hold them against")]

mod blows;
mod bombs;
mod clocks;
mod disk;
mod errors;
mod fairness;
mod floods;
mod kills;
mod lines;
mod poison;
mod queue_files;
mod read_only;
mod rolling;
mod smarthost;
mod soak;
mod stand;
