//! What edge-filter does, as one would first write it: a ban hash, an LPM trie a family, an array
//! of ports, an LRU hash of sources, a per-CPU counter. One service, one rate.

use aya_ebpf::bindings::xdp_action::{XDP_DROP, XDP_PASS};
use aya_ebpf::btf_maps::lpm_trie::Key;
use aya_ebpf::btf_maps::{Array, HashMap, LpmTrie, LruHashMap, PerCpuArray};
use aya_ebpf::helpers::generated::bpf_ktime_get_coarse_ns;
use aya_ebpf::macros::btf_map;
use aya_ebpf::programs::XdpContext;

use crate::headers::{Flow, parse};

const NO_PREALLOC: usize = 1;
/// Sizes are set at load.
const PREFIXES: usize = 1;
const SOURCES: usize = 1024;

/// What a prefix says about its sources.
const DENIED: u32 = 2;

/// Interval and tolerance of the rate, in nanoseconds.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Rate {
    interval_ns: u64,
    tolerance_ns: u64,
}

#[btf_map]
static LIST4: LpmTrie<u32, u32, PREFIXES, NO_PREALLOC> = LpmTrie::new();
#[btf_map]
static LIST6: LpmTrie<[u64; 2], u32, PREFIXES, NO_PREALLOC> = LpmTrie::new();
/// Theoretical arrival time by source.
#[btf_map]
static RATES: LruHashMap<[u64; 2], u64, SOURCES> = LruHashMap::new();
#[btf_map]
static BANNED: HashMap<[u64; 2], u64, 100_000, NO_PREALLOC> = HashMap::new();
/// Service by port, as on the wire; 0 for none.
#[btf_map]
static PORTS: Array<u32, 65536> = Array::new();
#[btf_map]
static RATE: Array<Rate, 1> = Array::new();
/// Packets and bytes by outcome.
#[btf_map]
static COUNTED: PerCpuArray<[u64; 2], 16> = PerCpuArray::new();

/// The key of a trie begins with the length, and its address would be aligned to four bytes, but is
/// written by eight: the verifier refuses that on the stack. So it begins four bytes later.
#[repr(C, align(8))]
struct Aligned {
    padding: u32,
    key: Key<[u64; 2]>,
}

impl Aligned {
    #[inline(always)]
    fn new(source: [u64; 2]) -> Self {
        Self {
            padding: 0,
            key: Key::new(128, source),
        }
    }
}

#[derive(Clone, Copy)]
enum Outcome {
    Malformed,
    Unlisted,
    Banned,
    Denied,
    NotAllowed,
    OverRate,
    Allowed,
}

/// Uses everything that was parsed, so that the compiler keeps it.
#[inline(always)]
pub fn keep(flow: &Flow) -> u32 {
    let [a, b] = flow.source;
    let all = a ^ b ^ u64::from(flow.port) ^ u64::from(flow.opens);
    // No frame of the bench is like this.
    if all == 0x5eed_5eed && flow.is_ipv6 {
        XDP_PASS
    } else {
        XDP_DROP
    }
}

/// Judges, counts.
#[inline(always)]
pub fn run(ctx: &XdpContext) -> u32 {
    let outcome = match parse(ctx) {
        Some(flow) => judge(&flow),
        None => Outcome::Malformed,
    };
    if let Some(count) = COUNTED.get_ptr_mut(outcome as u32) {
        // SAFETY: this CPU's own slot of the map, and XDP does not nest on a CPU.
        let count = unsafe { &mut *count };
        count[0] += 1;
        count[1] += (ctx.data_end() - ctx.data()) as u64;
    }
    match outcome {
        Outcome::Unlisted | Outcome::Allowed => XDP_PASS,
        _ => XDP_DROP,
    }
}

#[inline(always)]
fn judge(flow: &Flow) -> Outcome {
    if PORTS
        .get(u32::from(flow.port))
        .is_none_or(|service| *service == 0)
    {
        return Outcome::Unlisted;
    }
    let now = clock();
    // SAFETY: the expiry is a word; nobody changes the map while the bench runs.
    if unsafe { BANNED.get(flow.source) }.is_some_and(|expiry| *expiry > now) {
        return Outcome::Banned;
    }
    let said = if flow.is_ipv6 {
        LIST6.get(&Aligned::new(flow.source).key).copied()
    } else {
        LIST4.get(&Key::new(32, flow.source[0] as u32)).copied()
    };
    match said {
        None => return Outcome::NotAllowed,
        Some(DENIED) => return Outcome::Denied,
        Some(_) => {}
    }
    if flow.opens && !conforms(flow, now) {
        return Outcome::OverRate;
    }
    Outcome::Allowed
}

/// GCRA, as edge-filter's; two CPUs may lose an update.
#[inline(always)]
fn conforms(flow: &Flow, now: u64) -> bool {
    let Some(rate) = RATE.get(0) else { return true };
    let source = if flow.is_ipv6 {
        [flow.source[0], 0]
    } else {
        flow.source
    };
    if let Some(arrival) = RATES.get_ptr_mut(source) {
        // SAFETY: a word in a map's value; a lost update is accepted here.
        let arrival = unsafe { &mut *arrival };
        let from = if *arrival > now { *arrival } else { now };
        if from - now > rate.tolerance_ns {
            return false;
        }
        *arrival = from + rate.interval_ns;
    } else {
        let first = now + rate.interval_ns;
        let _ = RATES.insert(source, first, 0);
    }
    true
}

#[inline(always)]
fn clock() -> u64 {
    // SAFETY: takes nothing, returns a number.
    unsafe { bpf_ktime_get_coarse_ns() }
}
