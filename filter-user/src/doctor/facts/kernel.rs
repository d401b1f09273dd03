//! The running kernel.

use crate::kernel::{clock, environment, features};
use std::fs;

const CLOCKSOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

/// What it is and how it is set.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// As `uname -r` prints it.
    pub release: String,
    /// Major and minor number.
    pub version: (u32, u32),
    /// Whether it describes its types.
    pub has_btf: bool,
    /// What the packet program uses and this kernel has not; or why that was not to be had.
    pub missing: Result<Vec<&'static str>, String>,
    /// `net.core.bpf_jit_enable`; `None` where it cannot be read or changed.
    pub is_jit_on: Option<bool>,
    /// `kernel.bpf_stats_enabled`.
    pub counts_runs: Option<bool>,
    /// The clock's source.
    pub clocksource: Option<String>,
    /// Whether the wall clock is kept right.
    pub is_clock_synchronised: bool,
}

impl Default for Kernel {
    /// A kernel with nothing wrong.
    fn default() -> Self {
        Self {
            release: "6.12.0".into(),
            version: (6, 12),
            has_btf: true,
            missing: Ok(Vec::new()),
            is_jit_on: Some(true),
            counts_runs: Some(false),
            clocksource: Some("tsc".into()),
            is_clock_synchronised: true,
        }
    }
}

impl Kernel {
    /// Asks it.
    pub fn read() -> Self {
        let release = environment::release();
        let is_on = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim() != "0");
        Self {
            version: environment::parse_version(&release).unwrap_or_default(),
            release,
            has_btf: environment::has_btf(),
            missing: features::missing().map_err(|error| error.to_string()),
            is_jit_on: is_on("/proc/sys/net/core/bpf_jit_enable"),
            counts_runs: is_on("/proc/sys/kernel/bpf_stats_enabled"),
            clocksource: fs::read_to_string(CLOCKSOURCE)
                .ok()
                .map(|text| text.trim().into()),
            is_clock_synchronised: clock::is_synchronised(),
        }
    }
}
