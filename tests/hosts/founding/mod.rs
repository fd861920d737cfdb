//! The founding test: HostA takes mail, HostB alone reaches the store, HostC delivers, each on a network of its own with a broker and a database
//! that only those reach who may. What is taken away comes back, and nothing is lost.
//!
//! `LISTMILL_TESTS_FULL=1` makes each of these tests take its time: a minute without whatever is taken away. The tests print their figures
//! (`cargo test -p listmill-tests --test hosts founding -- --nocapture`).

mod apart;
mod load;
mod moves;
mod passes;
mod restarts;
mod several;
mod taken;

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// The whole test is asked for, and not its short form.
pub(crate) fn full() -> bool {
    std::env::var_os("LISTMILL_TESTS_FULL").is_some_and(|value| value == "1")
}

/// Lets so much time go by, in which mail keeps coming.
pub(crate) fn pass(time: Duration) {
    let (_held, never) = channel::<()>();
    assert_eq!(never.recv_timeout(time), Err(RecvTimeoutError::Timeout));
}
