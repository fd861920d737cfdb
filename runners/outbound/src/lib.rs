//! The outbound stage.
