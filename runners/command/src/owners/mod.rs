//! What the people in charge of a list can ask for, besides decisions about held posts.

use listmill_core::{Address, Unavailable};

use crate::session::{Said, Session};

type Outcome = Result<Said, Unavailable>;

pub(crate) fn invite(s: &mut Session<'_>, _address: &Address) -> Outcome {
    Ok(s.refused("no", &[]))
}
pub(crate) fn add(s: &mut Session<'_>, _addresses: &[Address]) -> Outcome {
    Ok(s.refused("no", &[]))
}
pub(crate) fn del(s: &mut Session<'_>, _addresses: &[Address]) -> Outcome {
    Ok(s.refused("no", &[]))
}
pub(crate) fn emergency(s: &mut Session<'_>, _on: bool) -> Outcome {
    Ok(s.refused("no", &[]))
}
pub(crate) fn config_show(s: &mut Session<'_>, _key: Option<&str>) -> Outcome {
    Ok(s.refused("no", &[]))
}
pub(crate) fn config_set(s: &mut Session<'_>, _key: &str, _value: Option<&str>) -> Outcome {
    Ok(s.refused("no", &[]))
}
pub(crate) fn stats(s: &mut Session<'_>) -> Outcome {
    Ok(s.refused("no", &[]))
}
