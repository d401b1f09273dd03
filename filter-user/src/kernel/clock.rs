//! The clocks that the packet program compares with.

use rustix::time::{ClockId, clock_gettime};

const SECOND_NS: i128 = 1_000_000_000;

/// Nanoseconds of the monotonic clock: what source cells, bans and allows count in.
pub fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Seconds since boot, suspend included: what deadlines count in.
pub fn boot_seconds() -> u64 {
    clock_gettime(ClockId::Boottime).tv_sec as u64
}

/// The wall clock's second, since 1970, at which so many seconds since boot will have passed: the
/// nearest, so that all who ask of one moment say the same.
pub fn unix_seconds_at(boot_seconds: u64) -> u64 {
    let ns = |clock| {
        let now = clock_gettime(clock);
        i128::from(now.tv_sec) * SECOND_NS + i128::from(now.tv_nsec)
    };
    let booted_at = ns(ClockId::Realtime) - ns(ClockId::Boottime);
    let at = booted_at + i128::from(boot_seconds) * SECOND_NS;
    u64::try_from((at + SECOND_NS / 2) / SECOND_NS).unwrap_or(0)
}

/// Whether something keeps the wall clock right, such as NTP.
pub fn is_synchronised() -> bool {
    // SAFETY: all zeroes is a timex that asks and sets nothing (adjtimex(2), `modes`).
    let mut question: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes into a timex of its own layout.
    let state = unsafe { libc::adjtimex(&raw mut question) };
    state >= 0 && state != libc::TIME_ERROR
}
