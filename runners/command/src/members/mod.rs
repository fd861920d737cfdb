//! What anybody and every member can ask for.

mod by_address;
mod change_address;
mod join;
mod leave;
mod leave_by_token;
mod own;
mod roster;
mod texts;

use listmill_core::Unavailable;

use crate::session::Said;

pub(crate) use by_address::{join_by_address, leave_by_address};
pub(crate) use change_address::{change_address, change_address_confirmed};
pub(crate) use join::{enter, join, join_approved, join_confirmed};
pub(crate) use leave::{farewell, leave, leave_approved, leave_confirmed};
pub(crate) use leave_by_token::leave as leave_by_token;
pub(crate) use own::{set, show, which};
pub(crate) use roster::who;
pub(crate) use texts::{help, info, lists};

type Outcome = Result<Said, Unavailable>;
