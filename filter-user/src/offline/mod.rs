//! The tables of one packet in ordinary memory: the same `decide` as in the kernel, on the host.
//! What the guard, `explain --config` and the tests ask.

#![forbid(unsafe_code)]

use crate::compile::Generation;
use filter_common::addr::SourceKey;
use filter_common::answer::{Answer, Words};
use filter_common::gcra::{Kind, MAX_REACH_SECONDS, SWEEP_SECONDS};
use filter_common::policy::{Fixed, Page, Pages};
use filter_common::sources::{Seed, WAYS, is_stale};
use filter_common::state::State;
use filter_common::verdict::{Decision, Note};
use filter_ebpf::tables::{Ends, UdpSocket};
use filter_ebpf::{Packet, Tables};
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// Sets of each table of sources: far more than anybody asks about at once.
const SETS: usize = 1 << 12;
/// Between two sweeps of the tables of sources, as the daemon does them.
const SWEEP_NS: u64 = SWEEP_SECONDS * 1_000_000_000;
/// After this time no source's state means anything.
const FORGOTTEN_NS: u64 = 2 * MAX_REACH_SECONDS * 1_000_000_000;
/// Sets that are swept together, or not at all: a capture whose times jump by hours from packet to
/// packet would have each of them sweep whole tables.
const SWEPT_SETS: usize = 64;

/// Everything beside a generation that a packet may meet.
pub struct Host {
    /// Slot of the interface.
    pub interface: u32,
    /// Coarse clock, in nanoseconds.
    pub now_ns: u64,
    /// See `filter_common::state`.
    pub exceptions: u64,
    /// Expiry by key.
    pub bans: HashMap<SourceKey, u64>,
    /// Expiry by key.
    pub allows: HashMap<SourceKey, u64>,
    /// Whether everything passes.
    pub is_bypassed: bool,
    /// First and last ephemeral port.
    pub ephemeral: (u16, u16),
    /// TCP sockets that do not listen.
    pub tcp: Vec<Ends>,
    /// UDP sockets that are connected.
    pub udp_connected: Vec<Ends>,
    /// Ports of UDP sockets that are not, as on the wire.
    pub udp_unconnected: Vec<u16>,
    /// What was noted beside packets.
    pub notes: Cell<[u64; filter_common::verdict::NOTES]>,
    seed: Seed,
    cells: [Vec<[AtomicU64; WAYS]>; 2],
    swept_ns: u64,
    /// Whether any of so many sets may hold a source.
    touched: [Vec<Cell<bool>>; 2],
}

impl Default for Host {
    fn default() -> Self {
        Self::with_sets(SETS)
    }
}

impl Host {
    /// Without room for sources' state: each is asked about as if it came for the first time.
    pub fn bare() -> Self {
        Self::with_sets(1)
    }

    /// With room for as many sources as the kernel's tables of `tracked_sources` have.
    pub fn with_sources(tracked_sources: u32) -> Self {
        let sets = (tracked_sources as usize / WAYS).max(1);
        Self::with_sets(sets.next_power_of_two())
    }

    fn with_sets(sets: usize) -> Self {
        let table = || {
            (0..sets)
                .map(|_| std::array::from_fn(|_| AtomicU64::new(0)))
                .collect()
        };
        Self {
            interface: 0,
            now_ns: 1_024_000_000_000,
            exceptions: 0,
            bans: HashMap::new(),
            allows: HashMap::new(),
            is_bypassed: false,
            ephemeral: (32_768, 60_999),
            tcp: Vec::new(),
            udp_connected: Vec::new(),
            udp_unconnected: Vec::new(),
            notes: Cell::default(),
            seed: Seed {
                words: [
                    0x0123_4567_89ab_cdef,
                    0x1122_3344_5566_7788,
                    0x99aa_bbcc_ddee_ff01,
                    7,
                ],
            },
            cells: [table(), table()],
            swept_ns: 0,
            touched: [(); 2].map(|()| vec![Cell::new(false); sets.div_ceil(SWEPT_SETS)]),
        }
    }

    /// Sets the clock forward, and clears what lies behind it, so that the wrap of the sources'
    /// times meets nothing. The clock never goes back: an earlier time changes nothing.
    pub fn advance_to(&mut self, now_ns: u64) {
        self.now_ns = self.now_ns.max(now_ns);
        if self.now_ns - self.swept_ns >= FORGOTTEN_NS {
            self.clear(|_, _| true);
            self.swept_ns = self.now_ns;
        }
        while self.now_ns - self.swept_ns >= SWEEP_NS {
            self.swept_ns += SWEEP_NS;
            let swept_ns = self.swept_ns;
            self.clear(|kind, cell| is_stale(cell, kind.time(swept_ns)));
        }
    }

    fn clear(&mut self, is_over: impl Fn(Kind, u64) -> bool) {
        for kind in [Kind::Connection, Kind::Packet] {
            let swept = self.cells[kind as usize].chunks(SWEPT_SETS);
            let swept = swept.zip(&self.touched[kind as usize]);
            for (sets, touched) in swept.filter(|(_, touched)| touched.get()) {
                let mut is_empty = true;
                for cell in sets.iter().flatten() {
                    let held = cell.load(Ordering::Relaxed);
                    if is_over(kind, held) {
                        cell.store(0, Ordering::Relaxed);
                    } else {
                        is_empty &= held == 0;
                    }
                }
                touched.set(!is_empty);
            }
        }
    }

    /// Judges a frame under a generation.
    pub fn decide(&self, generation: &Generation, frame: &[u8]) -> Decision {
        self.decide_packet(generation, frame)
    }

    /// Judges a frame that is not all in one piece of memory.
    pub fn decide_packet<P: Packet + ?Sized>(
        &self,
        generation: &Generation,
        frame: &P,
    ) -> Decision {
        filter_ebpf::decide(
            frame,
            &World {
                host: self,
                generation,
            },
            || self.now_ns,
        )
    }
}

impl Host {
    /// What would become of a frame, and why; nothing is booked. `active` and `slot` are 0.
    pub fn ask(&self, generation: &Generation, frame: &[u8]) -> Answer {
        let world = World {
            host: self,
            generation,
        };
        let words = Words::default();
        filter_ebpf::ask::answer(frame, &world, self.now_ns, &words);
        zerocopy::transmute!(words.map(|word| word.get()))
    }
}

struct World<'a> {
    host: &'a Host,
    generation: &'a Generation,
}

impl Pages for World<'_> {
    fn page(&self, page: u32) -> Option<&Page> {
        self.generation.page(page)
    }
}

impl Tables for World<'_> {
    type Cell = AtomicU64;

    fn fixed(&self) -> &Fixed {
        &self.generation.fixed
    }

    fn interface(&self) -> u32 {
        self.host.interface
    }

    fn seed(&self) -> &Seed {
        &self.host.seed
    }

    fn cells(&self, kind: Kind, hash: u64) -> Option<&[AtomicU64; WAYS]> {
        let sets = &self.host.cells[kind as usize];
        let at = hash as usize % sets.len();
        self.host.touched[kind as usize][at / SWEPT_SETS].set(true);
        sets.get(at)
    }

    fn exceptions(&self) -> u64 {
        self.host.exceptions
    }

    fn ban_expiry(&self, key: &SourceKey) -> Option<u64> {
        self.host.bans.get(key).copied()
    }

    fn allow_expiry(&self, key: &SourceKey) -> Option<u64> {
        self.host.allows.get(key).copied()
    }

    fn is_bypassed(&self) -> bool {
        self.host.is_bypassed
    }

    fn is_ephemeral(&self, port: u16) -> bool {
        State::is_ephemeral(
            State::port_range(self.host.ephemeral.0, self.host.ephemeral.1),
            port,
        )
    }

    fn has_tcp_connection(&self, ends: &Ends) -> bool {
        self.host.tcp.contains(ends)
    }

    fn udp_socket(&self, ends: &Ends) -> UdpSocket {
        if self.host.udp_connected.contains(ends) {
            UdpSocket::Connected
        } else if self.host.udp_unconnected.contains(&ends.port) {
            UdpSocket::Unconnected
        } else {
            UdpSocket::None
        }
    }

    fn note(&self, note: Note) {
        let mut notes = self.host.notes.get();
        notes[note as usize] += 1;
        self.host.notes.set(notes);
    }
}
