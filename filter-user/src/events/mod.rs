//! Sampled events: from the ring into the daemon's log, into memory, and to whoever follows.
//!
//! A record of the ring is bytes that nobody vouches for: one that is no event is counted and
//! skipped. Nobody who reads events can hold up the daemon: who is slow loses some, and is told.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod collect;
mod decode;
mod filter;
mod journal;
mod line;
mod stream;

pub use collect::collect;
pub use decode::{Clocks, decode};
pub use filter::Filter;
pub use journal::Journal;
pub use line::{Cause, Line, Loss, Record, Totals};
pub use stream::stream;

/// The target of these lines in the daemon's log.
pub const LOG_TARGET: &str = "edge_filter::events";
