//! The XDP program: entry points. Each judges, counts once, and leaves by one exit; one only
//! answers questions.
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

use aya_ebpf::bindings::xdp_action::{XDP_ABORTED, XDP_PASS};
use aya_ebpf::macros::xdp;
use aya_ebpf::programs::XdpContext;
use filter_common::answer::{Words, word};
use filter_common::verdict::Outcome;
use filter_ebpf::ask::answer;
use kernel::{Frame, KernelTables, Shared, buffers, clock, finish, judge, question};

/// For kernels from 5.18 on: also frames in several buffers, as jumbo MTUs need.
#[xdp(frags)]
#[inline(always)]
pub fn edge_filter(ctx: XdpContext) -> u32 {
    run::<true>(&ctx, Frame::in_buffers(&ctx))
}

/// For older kernels, and so without their helpers (`xtask` looks).
#[xdp]
#[inline(always)]
pub fn edge_filter_linear(ctx: XdpContext) -> u32 {
    run::<false>(&ctx, Frame::linear(&ctx))
}

/// Never attached: `explain` asks it by test run. It judges as the others do, counts nothing,
/// books nothing, and leaves its answer in front of the frame.
#[xdp]
#[inline(always)]
pub fn edge_filter_explain(ctx: XdpContext) -> u32 {
    let Some((words, frame)) = question::open(&ctx) else {
        return XDP_ABORTED;
    };
    explain(&ctx, &frame, words);
    XDP_PASS
}

#[inline(always)]
fn run<const IN_BUFFERS: bool>(ctx: &XdpContext, frame: Frame) -> u32 {
    let (mut decision, interface) = judge(ctx, &frame, false);
    let mut length = frame.length();
    if decision.may_be_cut_short() {
        length = frame.whole_length();
        if IN_BUFFERS && decision.is_of_the_parser() && frame.is_longer_than_its_first_buffer() {
            decision = buffers::judge_again(ctx);
        }
    }
    finish::<IN_BUFFERS>(ctx, decision, interface, length)
}

/// As [`judge`].
#[inline(always)]
fn explain(ctx: &XdpContext, frame: &Frame, words: &Words) {
    let now_ns = clock::coarse_ns();
    words[word::NOW].set(now_ns);
    words[word::OUTCOME].set(u64::from(Outcome::FAULT.number()));
    let Some(shared) = Shared::open() else { return };
    let interface = shared.interface(ctx);
    words[word::INTERFACE].set(u64::from(interface));
    words[word::ACTIVE].set(shared.active().to_word());
    if !shared.active().is_set() {
        words[word::OUTCOME].set(u64::from(Outcome::NO_POLICY.number()));
        return;
    }
    let Some(tables) = KernelTables::open(ctx, &shared, interface) else {
        return;
    };
    let tables = tables.apart();
    words[word::SLOT].set(u64::from(tables.slot()));
    answer(frame, &tables, now_ns, words);
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // Nothing here panics: CI fails on any panic symbol in the object.
    loop {}
}
