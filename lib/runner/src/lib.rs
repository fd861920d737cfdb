//! The shell: claim, decide, commit, release.
