//! The inbound stage.
