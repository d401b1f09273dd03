//! What is written down about a packet.

use super::maps::{COUNTS, NOTES};
use aya_ebpf::programs::XdpContext;
use aya_log_ebpf::macro_support::{self, Level};
use aya_log_ebpf::{debug, error};
use filter_common::verdict::{Decision, Note};

/// Counts a packet, once.
#[inline(always)]
pub fn count(decision: Decision, interface: u32, bytes: u64) {
    let Some(count) = COUNTS.get_ptr_mut(decision.counter(interface)) else {
        return;
    };
    // SAFETY: this CPU's own slot of the map, and XDP does not nest on a CPU.
    let count = unsafe { &mut *count };
    count.packets += 1;
    count.bytes += bytes;
}

/// Counts something beside packets.
#[inline(always)]
pub fn note(note: Note) {
    let Some(count) = NOTES.get_ptr_mut(note as u32) else {
        return;
    };
    // SAFETY: this CPU's own slot of the map, and XDP does not nest on a CPU.
    unsafe { *count += 1 };
}

/// Whether the operator raised the level of the log. With the level as loaded by default the
/// verifier removes what depends on it.
#[inline(always)]
pub fn is_logging() -> bool {
    macro_support::level_enabled(Level::Error)
}

/// Tells the daemon's log, where the operator raised its level. With the level as loaded by
/// default the verifier removes this.
#[inline(always)]
pub fn log(ctx: &XdpContext, decision: Decision, interface: u32) {
    if decision.is_fault() {
        error!(ctx, "fault: interface slot {}", interface);
    } else if decision.drops() {
        let outcome = u32::from(decision.outcome().number());
        let service = u32::from(decision.service().unwrap_or(0));
        debug!(
            ctx,
            "drop: interface slot {}, service {}, outcome {}", interface, service, outcome
        );
    }
}
