//! Bounces as real programs have written them: whom they name, and that nothing else blames anybody.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "reads the samples of this workspace and the corpora beside it")]

mod cases;
mod corpora;
mod labels;
mod samples;
