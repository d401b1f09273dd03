//! The kernel: version, features, what makes every packet dearer than it need be.

use super::facts::Facts;
use super::{Check, Finding};
use crate::kernel::{KernelError, environment};

/// Clocks that a packet can read in some ten nanoseconds: all others go out to a device.
const CHEAP_CLOCKS: [&str; 4] = [
    "tsc",
    "kvm-clock",
    "arch_sys_counter",
    "hyperv_clocksource_tsc_page",
];

pub(super) fn examine(facts: &Facts, findings: &mut Vec<Finding>) {
    let kernel = &facts.kernel;
    match environment::kernel_version(&kernel.release) {
        Ok(None) => {}
        Ok(Some(warning)) => findings.push(Finding::warning(Check::Kernel, warning)),
        Err(KernelError::Environment { what, fix }) => {
            findings.push(Finding::error(Check::Kernel, what).fix(fix));
        }
        Err(error) => findings.push(Finding::error(Check::Kernel, error.to_string())),
    }
    if !kernel.has_btf {
        let message = "/sys/kernel/btf/vmlinux is not there: this kernel has no BTF";
        let fix = "boot a kernel built with CONFIG_DEBUG_INFO_BTF (the distributions' own are)";
        findings.push(Finding::error(Check::Btf, message).fix(fix));
    }
    match &kernel.missing {
        Ok(missing) if missing.is_empty() => {}
        Ok(missing) => {
            let message = format!("this kernel lacks {}", missing.join(", "));
            let fix = "boot Linux 6.1 or later, built with CONFIG_BPF_SYSCALL and CONFIG_NET";
            findings.push(Finding::error(Check::Features, message).fix(fix));
        }
        Err(why) => {
            let message = format!("features were not probed: {why}");
            findings.push(Finding::note(Check::Features, message).fix("run doctor as root"));
        }
    }
    if kernel.is_jit_on == Some(false) {
        let message = "BPF programs are interpreted (net.core.bpf_jit_enable = 0)";
        let fix = "sysctl -w net.core.bpf_jit_enable=1";
        findings.push(Finding::warning(Check::Jit, message).fix(fix));
    }
    if kernel.counts_runs == Some(true) {
        let message = "each run of a BPF program is measured (kernel.bpf_stats_enabled = 1)";
        let fix = "sysctl -w kernel.bpf_stats_enabled=0";
        findings.push(Finding::note(Check::Statistics, message).fix(fix));
    }
    if let Some(clock) = &kernel.clocksource
        && !CHEAP_CLOCKS.contains(&clock.as_str())
    {
        let message = format!("the clock source is {clock}, which is slow to read");
        let fix = "cat /sys/devices/system/clocksource/clocksource0/available_clocksource\n\
                   echo tsc >/sys/devices/system/clocksource/clocksource0/current_clocksource";
        findings.push(Finding::warning(Check::Clocksource, message).fix(fix));
    }
    if !kernel.is_clock_synchronised {
        let message = "nothing keeps the wall clock right, or not yet";
        let fix = "timedatectl set-ntp true";
        findings.push(Finding::note(Check::Clock, message).fix(fix));
    }
}
