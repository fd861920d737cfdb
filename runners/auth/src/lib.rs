//! The auth stage.
