//! The pending stage.
