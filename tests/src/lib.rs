//! Suites that cross crates.

pub mod view;
