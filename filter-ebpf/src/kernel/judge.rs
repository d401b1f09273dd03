//! One packet before `decide`: which policy it is judged by.

use super::{KernelTables, Shared, clock};
use aya_ebpf::programs::XdpContext;
use filter_common::verdict::{Decision, Outcome};
use filter_ebpf::{Packet, decide};

/// The decision, and the slot of the interface it is counted under. `is_apart`: as
/// [`KernelTables::apart`].
#[inline(always)]
pub fn judge<P: Packet>(ctx: &XdpContext, packet: &P, is_apart: bool) -> (Decision, u32) {
    let Some(shared) = Shared::open() else {
        return (Decision::general(Outcome::FAULT), 0);
    };
    let interface = shared.interface(ctx);
    if !shared.active().is_set() {
        return (Decision::general(Outcome::NO_POLICY), interface);
    }
    let decision = match KernelTables::open(ctx, &shared, interface) {
        Some(tables) if is_apart => decide(packet, &tables.apart(), clock::coarse_ns),
        Some(tables) => decide(packet, &tables, clock::coarse_ns),
        None => Decision::general(Outcome::FAULT),
    };
    (decision, interface)
}
