//! What a reviewer should not have to look for: layers, contracts, names, and documents that agree with the code.
//!
//! One check is one file, and its first paragraph says why it is there. A check looks at files, never at a running program.
#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "reads the workspace's own files and asks cargo for its graph")]

mod broker;
mod contract;
mod documents;
mod honesty;
mod layers;
mod packages;
mod queues;
mod rfcs;
mod rules;
mod settings;
mod tree;
mod words;

/// Fails with every finding, one a line, when there is one.
#[track_caller]
fn none_of(findings: Vec<String>) {
    assert!(findings.is_empty(), "{} finding(s):\n  {}", findings.len(), findings.join("\n  "));
}
