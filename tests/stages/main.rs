//! The stages, each by its cases in `specs/cases/<stage>/NN-name/`, and all together on mail that nobody here wrote.
//!
//! `specs/cases/README.md` says what a case is made of. A stage is pure, so a case needs no queue, no store and no clock.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "reads the cases of this workspace and the corpora beside it")]

mod arbitrary;
mod bounces;
mod case;
mod cases;
mod commands;
mod corpus;
mod expect;
mod files;
mod held;
mod render;
mod resolve;
mod site;
mod tokens;
