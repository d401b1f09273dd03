//! Waiting for something to become true, with a deadline and no guess how long it takes.

use std::thread;
use std::time::{Duration, Instant};

/// For what must happen: long, since it only costs time in a test that fails; on an emulated
/// processor everything takes twenty times as long.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// For what must not happen: how long silence is listened to.
pub const SILENCE: Duration = Duration::from_millis(500);

const POLL: Duration = Duration::from_millis(10);

/// Asks until there is an answer.
///
/// # Panics
/// After [`PATIENCE`], saying what was waited for.
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        thread::sleep(POLL);
    }
}
