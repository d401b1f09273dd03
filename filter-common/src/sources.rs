//! The table of sources: sets of eight cells, one 8-byte cell a source, no locks.
//!
//! A cell is seen-twice (1 bit), tag (23 bits), theoretical arrival time (40 bits). It is found
//! by a keyed hash of what is counted; it is changed by compare-and-swap alone. An entry whose
//! time has come holds no information and is free.

use crate::addr::Address;
use crate::gcra::{Cost, MAX_AHEAD, Rate, TIME, TIME_BITS, ahead_of_any};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Cells in a set: one cache line, and what a look-up compares.
pub const WAYS: usize = 8;
/// The sign of a word.
const SIGN: u64 = 1 << 63;
/// The cell has been seen again since it came: a newcomer spares it once.
const TWICE: u64 = SIGN;
const TAG: u64 = !TWICE & !TIME;
/// Brings a sign to the bit just above those of a time.
const LIVE_SHIFT: u32 = 63 - TIME_BITS;
/// Brings a sign to the bit above that.
const SPARED_SHIFT: u32 = LIVE_SHIFT - 1;
/// A lost compare-and-swap on a known source's cell is tried again this often.
const TRIES: usize = 8;
/// A source is looked for again this often. Then the event passes, and is counted. More would
/// be read by the verifier as often, and what makes them needed are newcomers to one set at
/// one moment on several CPUs.
const ROUNDS: usize = 3;

/// One cell. `AtomicU64` on the host; the bpf target has the instruction but not the type.
pub trait Cell {
    /// Reads it whole.
    fn load(&self) -> u64;
    /// Whether the cell still held `old`, and so became `new`.
    fn swap(&self, old: u64, new: u64) -> bool;
}

#[cfg(target_has_atomic = "64")]
impl Cell for core::sync::atomic::AtomicU64 {
    fn load(&self) -> u64 {
        self.load(core::sync::atomic::Ordering::Relaxed)
    }
    fn swap(&self, old: u64, new: u64) -> bool {
        use core::sync::atomic::Ordering::Relaxed;
        self.compare_exchange(old, new, Relaxed, Relaxed).is_ok()
    }
}

/// The key of the hash: drawn once at random, pinned, readable by root only. Without it nobody
/// can choose sources that share a set.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct Seed {
    /// Any numbers.
    pub words: [u64; 4],
}

/// What a bucket belongs to, beside the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bucket {
    /// Service number.
    pub service: u8,
    /// Names the override that gives the rate; 0 for the service's own.
    pub override_tag: u32,
}

/// Hash of a source and its bucket. The low bits choose the set, the high ones are the tag.
///
/// NH (Black, Halevi, Krawczyk, Krovetz, Rogaway: "UMAC", CRYPTO 1999; RFC 4418) over six
/// 32-bit words, three multiplications; two inputs collide under a random key with a
/// probability of 2^-32. Then a bijective mix (MurmurHash3's finaliser) spreads it.
#[inline(always)]
pub const fn hash(seed: &Seed, bucket: Bucket, source: Address) -> u64 {
    let [k0, k1, k2, k3] = seed.words;
    let (upper, lower, family) = match source {
        Address::V4(address) => (address as u64, 0, 0),
        Address::V6 { upper, lower } => (upper, lower, 1 << 8),
    };
    let context = bucket.service as u64 | family | (bucket.override_tag as u64) << 32;
    let mut hash = pair(upper, k0)
        .wrapping_add(pair(lower, k1))
        .wrapping_add(pair(context, k2));
    hash ^= k3;
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ hash >> 33
}

#[inline(always)]
const fn pair(words: u64, key: u64) -> u64 {
    const HALF: u64 = u32::MAX as u64;
    let left = (words & HALF).wrapping_add(key & HALF) & HALF;
    let right = (words >> 32).wrapping_add(key >> 32) & HALF;
    left.wrapping_mul(right)
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Whether it is within the rate; if so it has been booked.
    pub conforms: bool,
    /// A source whose time had not come made room for this one.
    pub evicted: bool,
    /// Every try to book it was overtaken by another CPU: it passed without being booked.
    pub contended: bool,
}

/// Books one event of the source that `hash` names, if it conforms. `now` in the rate's units.
#[inline(always)]
pub fn take<C: Cell>(set: &[C; WAYS], hash: u64, rate: &Rate, cost: Cost, now: u64) -> Taken {
    let now = now & TIME;
    let tag = tag(hash);
    for _ in 0..ROUNDS {
        if let Some(at) = find(set, tag) {
            if let Some(conforms) = book(&set[at % WAYS], tag, rate, cost, now) {
                return Taken {
                    conforms,
                    evicted: false,
                    contended: false,
                };
            }
            continue;
        }
        let victim = victim(set, now);
        let cell = &set[victim.at % WAYS];
        let old = cell.load();
        // It may have changed hands since it was looked at, to this very source too. (Two CPUs that
        // meet a newcomer at one moment may give it a cell each: one event more passes.)
        let is_as_seen = ahead_of_next(old, now) == victim.ahead;
        if is_as_seen && cell.swap(old, tag | rate.first(now, cost)) {
            return Taken {
                conforms: true,
                evicted: victim.is_live,
                contended: false,
            };
        }
    }
    Taken {
        conforms: true,
        evicted: false,
        contended: true,
    }
}

/// Whether one more event of a known source conforms; if so it is booked. `None` if the cell has
/// changed hands, or other CPUs overtook every try.
#[inline(always)]
fn book<C: Cell>(cell: &C, tag: u64, rate: &Rate, cost: Cost, now: u64) -> Option<bool> {
    for _ in 0..TRIES {
        let old = cell.load();
        if old & TAG != tag {
            return None;
        }
        let Some(next) = rate.next(old & TIME, now, cost) else {
            if old & TWICE == 0 {
                // Lost to another CPU, it is that one's to set.
                let _ = cell.swap(old, old | TWICE);
            }
            return Some(false);
        };
        if cell.swap(old, TWICE | tag | next) {
            return Some(true);
        }
    }
    None
}

/// Whether one more event would conform; nothing is changed.
#[inline(always)]
pub fn peek<C: Cell>(set: &[C; WAYS], hash: u64, rate: &Rate, cost: Cost, now: u64) -> bool {
    let now = now & TIME;
    match find(set, tag(hash)) {
        Some(at) => rate.next(set[at % WAYS].load() & TIME, now, cost).is_some(),
        None => true,
    }
}

/// The theoretical arrival time of a known source; nothing is changed.
#[inline(always)]
pub fn look<C: Cell>(set: &[C; WAYS], hash: u64) -> Option<u64> {
    find(set, tag(hash)).map(|at| set[at % WAYS].load() & TIME)
}

/// A tag of 0 would make an empty cell look known.
#[inline(always)]
const fn tag(hash: u64) -> u64 {
    let tag = hash >> 1 & TAG;
    if tag == 0 { 1 << TIME_BITS } else { tag }
}

/// A cell of that tag. No branches: the verifier would follow each pattern of them.
#[inline(always)]
fn find<C: Cell>(set: &[C; WAYS], tag: u64) -> Option<usize> {
    let mut found = 0u64;
    for (at, cell) in set.iter().enumerate() {
        // Tags have no top bit, so only 0 - 1 has.
        let other = (cell.load() ^ tag) & TAG;
        found |= (other.wrapping_sub(1) >> 63) << at;
    }
    if found == 0 {
        None
    } else {
        Some(lowest(found))
    }
}

/// Place of the lowest of eight bits, by a de Bruijn sequence (Leiserson, Prokop, Randall 1998):
/// bpf has no instruction for it.
#[inline(always)]
const fn lowest(bits: u64) -> usize {
    /// Place of a bit by where the sequence 00011101 is shifted to, four bits each.
    const PLACES: u64 = 0x3457_2610;
    let lone = bits & bits.wrapping_neg();
    let shifted = (lone.wrapping_mul(0x1d) >> 5) & 7;
    (PLACES >> (4 * shifted)) as usize & 7
}

/// The cell that a newcomer gets.
struct Victim {
    at: usize,
    /// As it was seen.
    ahead: u64,
    /// Whether a source loses its state by that.
    is_live: bool,
}

/// How far a cell's time is ahead of the next one, modulo the clock's round: one less than it is
/// ahead of now, so that a time that is just coming lies a whole round ahead.
#[inline(always)]
const fn ahead_of_next(cell: u64, now: u64) -> u64 {
    cell.wrapping_sub(now + 1) & TIME
}

/// A free cell, else one that was seen only once, else the one nearest to its time.
#[inline(always)]
fn victim<C: Cell>(set: &[C; WAYS], now: u64) -> Victim {
    let mut best = u64::MAX >> 1;
    for (at, cell) in set.iter().enumerate() {
        let cell = cell.load();
        let ahead = ahead_of_next(cell, now);
        // Signs alone, which LLVM makes no branches of: the verifier would follow each pattern of
        // them. An empty cell's time, 0, lies ahead of the latter part of the clock's round.
        let is_taken = cell | cell.wrapping_neg();
        let is_live = is_taken & ahead.wrapping_sub(MAX_AHEAD) & SIGN;
        let is_spared = is_live & cell;
        // Free first. Then what was seen once, by nearness; then what was seen twice.
        let cost = is_spared >> SPARED_SHIFT | is_live >> LIVE_SHIFT | ahead;
        best = best.min(cost << 3 | at as u64);
    }
    let is_in_vain = best >> 3 & SIGN >> SPARED_SHIFT != 0;
    if is_in_vain {
        // Everyone had been seen twice: that is spent now, or pairs of forged packets would
        // keep their cells for ever.
        for cell in set {
            let old = cell.load();
            let _ = cell.swap(old, old & !TWICE);
        }
    }
    Victim {
        at: (best & 7) as usize,
        ahead: best >> 3 & TIME,
        is_live: best >> 3 & SIGN >> LIVE_SHIFT != 0,
    }
}

/// Whether a cell holds a source whose time has not come, for the daemon's count.
pub const fn is_live(cell: u64, now: u64) -> bool {
    cell != 0 && ahead_of_any(cell & TIME, now & TIME) != 0
}

/// Whether a cell's time has come, so that the daemon's sweep may clear it before the clock's
/// wrap brings it round.
pub const fn is_stale(cell: u64, now: u64) -> bool {
    cell != 0 && ahead_of_any(cell & TIME, now & TIME) == 0
}
