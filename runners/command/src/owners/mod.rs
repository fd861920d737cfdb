//! What the people in charge of a list can ask for, besides decisions about held posts.

mod figures;
mod people;
mod settings;

use listmill_core::Unavailable;

use crate::session::Said;

pub(crate) use figures::stats;
pub(crate) use people::{add, del, invite};
pub(crate) use settings::{config_set, config_show, emergency};

type Outcome = Result<Said, Unavailable>;
