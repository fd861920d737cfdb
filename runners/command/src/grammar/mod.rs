//! The grammar of commands: lines of subject and body, read.
//!
//! The commands are a table ([`table`]), what stands behind a keyword is read by one function each ([`arguments`]). [`lines()`] gives
//! those of a message, [`decision()`] reads a line of an answer to a notice or a summary, with its short words.

mod arguments;
mod decision;
mod display;
mod lines;
mod nearest;
mod numbers;
mod table;
#[cfg(test)]
mod tests;
mod words;

pub(crate) use decision::decision;
pub(crate) use lines::{Line, MAX_COMMANDS, MAX_LINES, lines};
pub(crate) use nearest::nearest;
pub(crate) use table::{Audience, COMMANDS, Command, Fault, command, find};
