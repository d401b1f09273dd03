//! The XDP program: entry points. Each judges, counts once, and leaves by one exit.
#![no_std]
#![no_main]
#![feature(core_intrinsics)]
#![expect(
    internal_features,
    reason = "the bpf target has no AtomicU64::compare_exchange"
)]
#![expect(
    missing_docs,
    reason = "the macro `xdp` drops those of the entry points"
)]

mod kernel;

use aya_ebpf::bindings::xdp_action::XDP_PASS;
use aya_ebpf::macros::xdp;
use aya_ebpf::programs::XdpContext;
use filter_common::verdict::{Decision, Outcome};
use filter_ebpf::{Packet as _, decide};
use kernel::{Frame, KernelTables, Shared, clock, ending, record};

/// For kernels from 5.18 on: also frames in several buffers, as jumbo MTUs need.
#[xdp(frags)]
pub fn edge_filter(ctx: XdpContext) -> u32 {
    run(&ctx, Frame::in_buffers(&ctx))
}

/// For older kernels.
#[xdp]
pub fn edge_filter_linear(ctx: XdpContext) -> u32 {
    run(&ctx, Frame::linear(&ctx))
}

#[inline(always)]
fn run(ctx: &XdpContext, frame: Frame) -> u32 {
    let (decision, interface) = judge(ctx, &frame);
    record::count(decision, interface, frame.len());
    if decision.is_reported() {
        ending::end(ctx, decision, interface, frame.len())
    } else {
        XDP_PASS
    }
}

/// The decision, and the slot of the interface it is counted under.
#[inline(always)]
fn judge(ctx: &XdpContext, frame: &Frame) -> (Decision, u32) {
    let Some(shared) = Shared::open() else {
        return (Decision::general(Outcome::FAULT), 0);
    };
    let interface = shared.interface(ctx);
    if !shared.active().is_set() {
        return (Decision::general(Outcome::NO_POLICY), interface);
    }
    let decision = match KernelTables::open(ctx, &shared, interface) {
        Some(tables) => decide(frame, &tables, clock::coarse_ns),
        None => Decision::general(Outcome::FAULT),
    };
    (decision, interface)
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // Nothing here panics: CI fails on any panic symbol in the object.
    loop {}
}
