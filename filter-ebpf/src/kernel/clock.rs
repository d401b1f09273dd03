//! The kernel's clocks, or a test's.

#[cfg(not(feature = "test-clock"))]
mod source {
    use aya_ebpf::helpers::generated::{
        bpf_jiffies64, bpf_ktime_get_boot_ns, bpf_ktime_get_coarse_ns,
    };

    /// Nanoseconds of the monotonic clock, as of the last tick: 2 ns where the exact one costs
    /// 22. In it suspend does not count.
    #[inline(always)]
    pub fn coarse_ns() -> u64 {
        // SAFETY: takes nothing, returns a number.
        unsafe { bpf_ktime_get_coarse_ns() }
    }

    /// The number of the tick: the kernel's jiffies, which count from far above 0. The verifier
    /// puts one load in the place of this call.
    #[inline(always)]
    pub fn tick() -> u64 {
        // SAFETY: takes nothing, returns a number.
        unsafe { bpf_jiffies64() }
    }

    /// Seconds since boot, suspend included. Exact, and asked only while a deadline is set.
    #[inline(always)]
    pub fn boot_seconds() -> u32 {
        // SAFETY: takes nothing, returns a number.
        let ns = unsafe { bpf_ktime_get_boot_ns() };
        (ns / 1_000_000_000) as u32
    }
}

#[cfg(feature = "test-clock")]
mod source {
    use super::super::maps::TEST_CLOCK;

    /// Nanoseconds, as the test set them.
    #[inline(always)]
    pub fn coarse_ns() -> u64 {
        match TEST_CLOCK.get_ptr(0) {
            // SAFETY: an aligned word in a map's value, which outlives the program's run.
            Some(word) => unsafe { word.read_volatile() },
            None => 0,
        }
    }

    /// One for each time that a test sets.
    #[inline(always)]
    pub fn tick() -> u64 {
        coarse_ns() + 1
    }

    /// The same, in seconds.
    #[inline(always)]
    pub fn boot_seconds() -> u32 {
        (coarse_ns() / 1_000_000_000) as u32
    }
}

pub use source::{boot_seconds, coarse_ns, tick};
