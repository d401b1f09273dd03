//! The moment, by the clocks that an end is told by.
//!
//! A wall clock is set: by hand, by NTP, by a wrong one at boot. So within the boot in which an end
//! was set, the monotonic clock alone says whether it has come; the wall clock speaks only of ends
//! that an earlier boot set.

use crate::applied::boot_id;
use crate::kernel::clock;
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SECOND_NS: u64 = 1_000_000_000;

/// One moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Now {
    /// Nanoseconds since 1970 by the wall clock.
    pub unix_ns: u128,
    /// Nanoseconds of the monotonic clock.
    pub monotonic_ns: u64,
    /// This boot.
    pub boot_id: String,
    /// Whether something keeps the wall clock right. At boot it may say anything, until then.
    pub is_synchronised: bool,
}

/// An end by the monotonic clock, which is known in one boot only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootEnd {
    /// Which boot.
    pub boot_id: String,
    /// Nanoseconds of its monotonic clock.
    pub monotonic_ns: u64,
}

impl Now {
    /// This moment.
    pub fn read() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            unix_ns: since.map_or(0, |since| since.as_nanos()),
            monotonic_ns: clock::monotonic_ns(),
            boot_id: boot_id(),
            is_synchronised: clock::is_synchronised(),
        }
    }

    /// The second of the wall clock.
    pub const fn unix(&self) -> u64 {
        (self.unix_ns / SECOND_NS as u128) as u64
    }

    /// The second of the wall clock, rounded up, after so long.
    pub const fn unix_after(&self, duration: Duration) -> u64 {
        (self.unix_ns + duration.as_nanos()).div_ceil(SECOND_NS as u128) as u64
    }

    /// The end after so long.
    pub fn end_after(&self, duration: Duration) -> BootEnd {
        let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        BootEnd {
            boot_id: self.boot_id.clone(),
            monotonic_ns: self.monotonic_ns.saturating_add(ns),
        }
    }
}
