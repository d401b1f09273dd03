//! What the filter does now: one reading of counters and state, rates between two of them, and who
//! is dropped most. `top` and the status page show the same.
//!
//! Reading and reckoning are apart: `read` asks the kernel and the daemon, the rest are functions
//! of what was read and of the time that it was read at. Nothing here changes anything.

#![forbid(unsafe_code)]

mod droppers;
mod rates;
mod read;
mod reading;

pub use droppers::{Dropper, Droppers};
pub use rates::{HISTORY, Line, Rates, Sort};
pub use read::{of_daemon, read};
pub use reading::{Ban, Counter, Events, Reading};
