//! The end of a packet that is worth a word: its event, as far as the budget goes, its line in
//! the log, its verdict. A global function (not inlined, not mangled): the verifier reads it once,
//! with unknown arguments, not once for each way that leads to it, and a packet that is no event
//! pays one comparison.
//!
//! What is told is read from the frame again: the packet's way carries nothing for it.
//!
//! `IN_BUFFERS`: frames may go on in more buffers, and the kernel has the helpers to read them. Older
//! ones refuse a program that calls one, so each of these functions is there twice.

use super::maps::{EVENT_BUDGETS, EVENT_LIMITS, EVENTS};
use super::tables::Shared;
use super::{Buffers, Frame, clock, record};
use aya_ebpf::bindings::xdp_action::{XDP_ABORTED, XDP_DROP, XDP_PASS};
use aya_ebpf::bindings::xdp_md;
use aya_ebpf::programs::XdpContext;
use filter_common::event::{Budget, Event, Limits};
use filter_common::verdict::Decision;
use filter_ebpf::parse::describe::describe;

/// Counts a packet, and ends it. Returns the verdict.
#[inline(always)]
pub fn finish<const IN_BUFFERS: bool>(
    ctx: &XdpContext,
    decision: Decision,
    interface: u32,
    length: u64,
) -> u32 {
    record::count(decision, interface, length);
    if decision.is_reported() {
        end::<IN_BUFFERS>(ctx, decision, interface, length)
    } else {
        XDP_PASS
    }
}

/// In a flood nearly every packet is one of those that no budget is left for: they end here.
#[inline(always)]
fn end<const IN_BUFFERS: bool>(
    ctx: &XdpContext,
    decision: Decision,
    interface: u32,
    length: u64,
) -> u32 {
    let reason = decision.reason_number();
    if let Some(budget) = budget()
        && budget.is_spent(reason, clock::tick())
        && !record::is_logging()
    {
        budget.count_lost(reason);
        return verdict(decision);
    }
    if IN_BUFFERS {
        edge_filter_end(ctx.ctx, decision.to_bits(), interface, length)
    } else {
        edge_filter_end_linear(ctx.ctx, decision.to_bits(), interface, length)
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn edge_filter_end(ctx: *mut xdp_md, decision: u32, interface: u32, length: u64) -> u32 {
    tell::<true>(ctx, decision, interface, length)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn edge_filter_end_linear(
    ctx: *mut xdp_md,
    decision: u32,
    interface: u32,
    length: u64,
) -> u32 {
    tell::<false>(ctx, decision, interface, length)
}

#[inline(always)]
fn tell<const IN_BUFFERS: bool>(
    ctx: *mut xdp_md,
    decision: u32,
    interface: u32,
    length: u64,
) -> u32 {
    let ctx = XdpContext::new(ctx);
    let decision = Decision::from_bits(decision);
    report::<IN_BUFFERS>(&ctx, decision, interface, length);
    record::log(&ctx, decision, interface);
    verdict(decision)
}

#[inline(always)]
fn verdict(decision: Decision) -> u32 {
    if !decision.drops() {
        XDP_PASS
    } else if decision.is_fault() {
        XDP_ABORTED
    } else {
        XDP_DROP
    }
}

/// This CPU's.
#[inline(always)]
fn budget() -> Option<&'static mut Budget> {
    let budget = EVENT_BUDGETS.get_ptr_mut(0)?;
    // SAFETY: this CPU's own slot of the map, and XDP does not nest on a CPU.
    Some(unsafe { &mut *budget })
}

/// Sends an event, or counts it as lost.
#[inline(always)]
fn report<const IN_BUFFERS: bool>(
    ctx: &XdpContext,
    decision: Decision,
    interface: u32,
    length: u64,
) {
    let Some(budget) = budget() else {
        return;
    };
    let Some(limits) = EVENT_LIMITS.get(0) else {
        return;
    };
    let reason = decision.reason_number();
    // The tick first: should another begin in between, the clock's is the later one.
    let tick = clock::tick();
    let now = clock::coarse_ns();
    if !budget.take(reason, Limits::from_word(*limits), now) {
        budget.set_spent(reason, tick);
        budget.count_lost(reason);
        return;
    }
    let outcome = u32::from(decision.outcome().number());
    let service = u32::from(decision.service().unwrap_or(0));
    let decision = outcome | service << 8 | interface << 16;
    let sent = if IN_BUFFERS {
        edge_filter_event(ctx.ctx, decision, length, now)
    } else {
        edge_filter_event_linear(ctx.ctx, decision, length, now)
    };
    if sent == SENT {
        budget.count_sent();
    } else {
        budget.count_lost(reason);
    }
}

const SENT: u32 = 1;

/// Writes an event. Apart from the rest, so that a flood beyond the budget does not pay for the
/// registers that this takes.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn edge_filter_event(ctx: *mut xdp_md, decision: u32, length: u64, now: u64) -> u32 {
    send::<true>(ctx, decision, length, now)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn edge_filter_event_linear(
    ctx: *mut xdp_md,
    decision: u32,
    length: u64,
    now: u64,
) -> u32 {
    send::<false>(ctx, decision, length, now)
}

#[inline(always)]
fn send<const IN_BUFFERS: bool>(ctx: *mut xdp_md, decision: u32, length: u64, now: u64) -> u32 {
    let ctx = XdpContext::new(ctx);
    let Some(mut entry) = EVENTS.reserve(0) else {
        return 0;
    };
    // Written where it stays: the kernel gives a packet 512 bytes of stack in all.
    let event = entry.write(Event {
        time_ns: now,
        packet_length: length as u32,
        generation: Shared::open().map_or(0, |shared| shared.active().generation()),
        // SAFETY: the context is the program's own.
        interface_index: unsafe { (*ctx.ctx).ingress_ifindex },
        outcome: decision as u8,
        service: (decision >> 8) as u8,
        interface: (decision >> 16) as u8,
        ..Event::default()
    });
    let first = Frame::of_length(&ctx, length);
    if !IN_BUFFERS || !first.is_longer_than_its_first_buffer() {
        describe(&first, event);
    } else if let Some(frame) = Buffers::of(&ctx) {
        describe(&frame, event);
    }
    entry.submit(0);
    SENT
}
