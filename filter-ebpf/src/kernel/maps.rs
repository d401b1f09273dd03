//! The maps, by name. The daemon makes them, or adopts those that are pinned.

use super::buffers::LONGEST;
use super::cells::KernelCell;
use aya_ebpf::btf_maps::{Array, ArrayOfMaps, HashMap, PerCpuArray, RingBuf};
use aya_ebpf::macros::btf_map;
use filter_common::addr::SourceKey;
use filter_common::event::{Budget, Event};
use filter_common::policy::{FixedWords, Page};
use filter_common::sources::WAYS;
use filter_common::state::{SLOTS, State};
use filter_common::verdict::{self, COUNTERS, Count};

/// The daemon writes through a mapping: one aligned store where a system call would copy. Of the
/// tables of generations, which nobody maps: values that can be mapped start at a memory page, others
/// 56 bytes behind the start of a cache line (6.18), so that each 64 bytes would lie in two.
const MMAPABLE: usize = 1 << 10;
/// An inner map may have other `max_entries` than the one the program was verified with.
const INNER_MAP: usize = 1 << 12;
const NO_PREALLOC: usize = 1;
/// The contract's limits.
const MAX_BANS: usize = 100_000;
const MAX_ALLOWS: usize = 10_000;
/// Bytes of the ring of events: 6,500 of them, for the time in which no daemon reads.
const RING: usize = 512 << 10;

#[btf_map]
pub static STATE: Array<State, 1, MMAPABLE> = Array::new();

/// Fixed parts of generations, by slot.
#[btf_map]
pub static FIXED: ArrayOfMaps<Array<FixedWords, 1, MMAPABLE>, SLOTS> = ArrayOfMaps::new();

/// Pages of generations, by slot.
#[btf_map]
pub static PAGES: ArrayOfMaps<Array<Page, 1, { INNER_MAP | MMAPABLE }>, SLOTS> = ArrayOfMaps::new();

/// Sources and their connections. The size is set at load.
#[btf_map]
pub static CONNECTIONS: Array<[KernelCell; WAYS], 1, MMAPABLE> = Array::new();

/// Sources and their packets. The size is set at load.
#[btf_map]
pub static PACKETS: Array<[KernelCell; WAYS], 1, MMAPABLE> = Array::new();

#[btf_map]
pub static COUNTS: PerCpuArray<Count, COUNTERS> = PerCpuArray::new();

#[btf_map]
pub static NOTES: PerCpuArray<u64, { verdict::NOTES }> = PerCpuArray::new();

/// Expiry by source and scope.
#[btf_map]
pub static BANS: HashMap<SourceKey, u64, MAX_BANS, NO_PREALLOC> = HashMap::new();

/// Expiry by source and scope.
#[btf_map]
pub static ALLOWS: HashMap<SourceKey, u64, MAX_ALLOWS, NO_PREALLOC> = HashMap::new();

/// Events on their way to the daemon.
#[btf_map]
pub static EVENTS: RingBuf<Event, RING> = RingBuf::new();

/// See `Limits`.
#[btf_map]
pub static EVENT_LIMITS: Array<u64, 1> = Array::new();

#[btf_map]
pub static EVENT_BUDGETS: PerCpuArray<Budget, 1> = PerCpuArray::new();

/// One header of a frame in several buffers, copied. Not pinned: nobody else reads it.
#[btf_map]
pub static HEADER: PerCpuArray<[u8; LONGEST], 1> = PerCpuArray::new();

#[cfg(feature = "test-clock")]
#[btf_map]
pub static TEST_CLOCK: Array<u64, 1, MMAPABLE> = Array::new();
