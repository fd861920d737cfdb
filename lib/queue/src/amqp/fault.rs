//! What goes wrong between us and the broker, in the words of this crate.

use std::fmt;

use crate::QueueError;
use crate::error::Kind;

/// Why something could not be done at the broker; it may be shared by many callers.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    /// Not reachable, or it refused.
    Away(String),
    /// Short of memory or disk.
    Blocked(String),
    /// Took a message for which it has no queue.
    Unroutable(String),
    /// The claim went with its connection.
    Lost,
    /// Not without taking entries away from those who work on them.
    Unsupported,
}

impl Fault {
    /// As an error of the caller's call.
    pub(super) fn at(self, doing: &'static str, at: impl fmt::Display) -> QueueError {
        let kind = match self {
            Fault::Away(why) => Kind::Away(why),
            Fault::Blocked(why) => Kind::Blocked(why),
            Fault::Unroutable(why) => Kind::Unroutable(why),
            Fault::Lost => Kind::Lost,
            Fault::Unsupported => Kind::Unsupported,
        };
        QueueError::new(doing, at, kind)
    }
}

impl From<lapin::Error> for Fault {
    fn from(error: lapin::Error) -> Self {
        Fault::Away(error.to_string())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Away(why) | Fault::Blocked(why) | Fault::Unroutable(why) => f.write_str(why),
            Fault::Lost => f.write_str("the connection is lost"),
            Fault::Unsupported => f.write_str("a broker cannot do that"),
        }
    }
}
