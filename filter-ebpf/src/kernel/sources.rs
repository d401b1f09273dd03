//! Booking in the table of sources, as a function of its own. It is a global one (not inlined,
//! not mangled): the verifier reads it once with unknown arguments, not once for each way that
//! leads to it. Inlined, the whole program takes 611,000 verified instructions on 6.18.

use super::cells::KernelCell;
use super::maps::{CONNECTIONS, PACKETS};
use filter_common::gcra::{Cost, Kind, Rate};
use filter_common::sources::{self, HASHED_TAG, Taken, WAYS};
use filter_common::state::State;

/// Bits of `operation`.
const QUARTER: u32 = 1;
const PEEK: u32 = 2;

/// Bits of the result.
const CONFORMS: u32 = 1;
const EVICTED: u32 = 2;
const CONTENDED: u32 = 4;
const FAULT: u32 = 8;

/// Bits of what a look gives instead of a time, which has 40.
const NOT_KNOWN: u64 = 1 << 62;
const NO_CELLS: u64 = 1 << 63;

/// What names a set and a tag: of a hash, the bits of the tag and the number of the set.
#[inline(always)]
pub fn place(state: &State, kind: Kind, hash: u64) -> u64 {
    let mask = match kind {
        Kind::Connection => state.connection_set_mask,
        Kind::Packet => state.packet_set_mask,
    };
    hash & (HASHED_TAG | mask)
}

/// The set of cells of a place.
#[inline(always)]
pub fn cells(kind: Kind, place: u64) -> Option<&'static [KernelCell; WAYS]> {
    match kind {
        Kind::Connection => CONNECTIONS.get(place as u32),
        Kind::Packet => PACKETS.get(place as u32),
    }
}

/// `Tables::take`.
#[inline(always)]
pub fn take(kind: Kind, place: u64, rate: &Rate, cost: Cost, now_ns: u64) -> Option<Taken> {
    let result = call(kind, place, rate, cost, now_ns, 0)?;
    Some(Taken {
        conforms: result & CONFORMS != 0,
        evicted: result & EVICTED != 0,
        contended: result & CONTENDED != 0,
    })
}

/// `Tables::peek`.
#[inline(always)]
pub fn peek(kind: Kind, place: u64, rate: &Rate, cost: Cost, now_ns: u64) -> Option<bool> {
    Some(call(kind, place, rate, cost, now_ns, PEEK)? & CONFORMS != 0)
}

/// `Tables::look`.
#[inline(always)]
pub fn look(kind: Kind, place: u64) -> Option<Option<u64>> {
    let time = match kind {
        Kind::Connection => edge_filter_look_connection(place),
        Kind::Packet => edge_filter_look_packet(place),
    };
    if time & NO_CELLS != 0 {
        None
    } else if time & NOT_KNOWN != 0 {
        Some(None)
    } else {
        Some(Some(time))
    }
}

#[inline(always)]
fn call(
    kind: Kind,
    place: u64,
    rate: &Rate,
    cost: Cost,
    now_ns: u64,
    operation: u32,
) -> Option<u32> {
    let cost = if cost == Cost::Quarter { QUARTER } else { 0 };
    let (interval_q8, limit) = rate.to_parts();
    let book = match kind {
        Kind::Connection => edge_filter_connection,
        Kind::Packet => edge_filter_packet,
    };
    let result = book(operation | cost, place, interval_q8, limit, now_ns);
    if result & FAULT != 0 {
        None
    } else {
        Some(result)
    }
}

// A function for each table. Were there one for both, LLVM would join the two look-ups of a map
// into one of "either map": the verifier then inlines neither, and the kernel makes an indirect
// call instead, which costs some 35 ns where retpolines are on.

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn edge_filter_connection(
    operation: u32,
    place: u64,
    interval_q8: u64,
    limit: u64,
    now_ns: u64,
) -> u32 {
    let rate = Rate::from_parts(interval_q8, limit);
    apply(Kind::Connection, operation, place, rate, now_ns)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn edge_filter_packet(
    operation: u32,
    place: u64,
    interval_q8: u64,
    limit: u64,
    now_ns: u64,
) -> u32 {
    let rate = Rate::from_parts(interval_q8, limit);
    apply(Kind::Packet, operation, place, rate, now_ns)
}

#[inline(always)]
fn apply(kind: Kind, operation: u32, place: u64, rate: Rate, now_ns: u64) -> u32 {
    let cost = if operation & QUARTER != 0 {
        Cost::Quarter
    } else {
        Cost::Whole
    };
    let Some(cells) = cells(kind, place) else {
        return FAULT;
    };
    let now = kind.time(now_ns);
    if operation & PEEK != 0 {
        return u32::from(sources::peek(cells, place, &rate, cost, now));
    }
    let taken = sources::take(cells, place, &rate, cost, now);
    (u32::from(taken.conforms) * CONFORMS)
        | (u32::from(taken.evicted) * EVICTED)
        | (u32::from(taken.contended) * CONTENDED)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn edge_filter_look_connection(place: u64) -> u64 {
    state(Kind::Connection, place)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn edge_filter_look_packet(place: u64) -> u64 {
    state(Kind::Packet, place)
}

#[inline(always)]
fn state(kind: Kind, place: u64) -> u64 {
    let Some(cells) = cells(kind, place) else {
        return NO_CELLS;
    };
    sources::look(cells, place).unwrap_or(NOT_KNOWN)
}
