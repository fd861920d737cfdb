//! How the program fails: one clear sentence on stderr, and an exit code of sysexits.h.

use std::fmt;

use listmill_core::{CommitError, Unavailable};
use listmill_queue::QueueError;
use listmill_runner::config::ConfigError;
use listmill_store::OpenError;

/// Why the program ends without having done what was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    sentence: String,
}

/// What was done or asked.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// 64: the command line is off.
    pub(crate) fn usage(sentence: impl fmt::Display) -> Self {
        Failure { code: 64, sentence: sentence.to_string() }
    }

    /// 65: what was given or named is not right.
    pub(crate) fn data(sentence: impl fmt::Display) -> Self {
        Failure { code: 65, sentence: sentence.to_string() }
    }

    /// 69: something that is needed is not there.
    pub(crate) fn unavailable(sentence: impl fmt::Display) -> Self {
        Failure { code: 69, sentence: sentence.to_string() }
    }

    /// 74: reading or writing failed.
    pub(crate) fn io(what: impl fmt::Display, error: &std::io::Error) -> Self {
        Failure { code: 74, sentence: format!("failed to {what}: {error}") }
    }

    /// 75: not now; the same again later may work.
    pub(crate) fn try_again(sentence: impl fmt::Display) -> Self {
        Failure { code: 75, sentence: sentence.to_string() }
    }

    /// 78: the site file is off.
    pub(crate) fn config(sentence: impl fmt::Display) -> Self {
        Failure { code: 78, sentence: sentence.to_string() }
    }

    /// The same, and what else is to be known.
    #[must_use]
    pub(crate) fn and(mut self, more: &str) -> Self {
        self.sentence.push_str(more);
        self
    }

    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        self.code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Failure::config(error)
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Failure::unavailable(error)
    }
}

impl From<Unavailable> for Failure {
    fn from(error: Unavailable) -> Self {
        Failure::try_again(error)
    }
}

impl From<QueueError> for Failure {
    fn from(error: QueueError) -> Self {
        Failure::try_again(error)
    }
}

impl From<CommitError> for Failure {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Refused(refusal) => Failure::data(refusal),
            CommitError::Unavailable(_) => Failure::try_again(error),
        }
    }
}
