//! The administration commands, one file each.

pub(crate) mod backup;
pub(crate) mod ban;
pub(crate) mod bounce;
pub(crate) mod carry;
pub(crate) mod check;
mod check_host;
pub(crate) mod completions;
pub(crate) mod drain;
pub(crate) mod explain;
pub(crate) mod held;
pub(crate) mod init;
pub(crate) mod inject;
pub(crate) mod list;
pub(crate) mod member;
pub(crate) mod queue;
pub(crate) mod status;
pub(crate) mod store;
pub(crate) mod template;
pub(crate) mod trace;
