//! Bounces as real programs have written them: whom they name, and that nothing else blames anybody.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests read files, and a failure is their end")]

mod corpora;
mod labels;
mod samples;
