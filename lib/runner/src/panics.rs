//! What a panicking stage said, kept for the shunt record.

use std::backtrace::Backtrace;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};

thread_local! {
    static LAST: RefCell<Option<Panic>> = const { RefCell::new(None) };
}

/// A panic that was caught.
#[derive(Debug, Clone)]
pub(crate) struct Panic {
    /// What it said, and where.
    pub(crate) reason: String,
    /// The stack.
    pub(crate) trace: String,
}

/// From now on a panic leaves its words and its stack for the thread that catches it. To be called once, at start-up.
pub fn remember_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        LAST.set(Some(Panic { reason: words(info), trace: Backtrace::force_capture().to_string() }));
        // A thread that nobody guards still says on stderr why it died.
        if std::thread::current().name().is_none_or(|name| !name.starts_with("runner")) {
            before(info);
        }
    }));
}

/// Runs `decide`; a panic in it is an error that says what happened.
pub(crate) fn guarded<T>(decide: impl FnOnce() -> T) -> Result<T, Panic> {
    catch_unwind(AssertUnwindSafe(decide)).map_err(|_| {
        LAST.take().unwrap_or_else(|| Panic { reason: "the stage panicked".to_owned(), trace: String::new() })
    })
}

fn words(info: &PanicHookInfo<'_>) -> String {
    let said = info.payload_as_str().unwrap_or("panic");
    info.location().map_or_else(|| said.to_owned(), |place| format!("{said} ({place})"))
}
