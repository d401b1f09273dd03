//! Rate arithmetic: the generic cell rate algorithm (ITU-T I.371, the virtual scheduling form)
//! as pure functions of (state, now, rate, cost).
//!
//! A source's state is its theoretical arrival time (TAT). An event conforms if the TAT, moved
//! on by the event's cost, stays within `limit` of now; then it is moved on. A TAT in the past
//! holds no information.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Bits of a time. Connections: units of 1.024 us, 13 days; packets: 16 ns, 4.9 hours.
pub const TIME_BITS: u32 = 40;
/// All of a time's bits.
pub const TIME: u64 = (1 << TIME_BITS) - 1;
/// A unit of connection time is `ns >> 10`.
pub const CONNECTION_SHIFT: u32 = 10;
/// A unit of packet time is `ns >> 4`: 50,000 packets a second are not representable in
/// microseconds within half a percent.
pub const PACKET_SHIFT: u32 = 4;
/// Rate and burst may not reach further than this, in seconds: with 40 bits of 16 ns, a TAT of
/// up to 4 hours ahead stays apart from one that lies in the past.
pub const MAX_REACH_SECONDS: u64 = 4 * 60 * 60;

/// Units that the time of an event may lie behind that of one that was booked before it: 134 ms of
/// packets, 8.6 s of connections. A CPU may be interrupted, or its virtual machine held back, after
/// it has read the clock, while another reads it anew and books; a quota holds a machine back for up
/// to 100 ms (the period of cpu.max: Linux, Documentation/admin-guide/cgroup-v2.rst).
pub const LATE: u64 = 1 << 23;
/// Between two sweeps of the table of sources, in seconds: once in the time in which a TAT is told
/// to have come, before the clock's wrap brings it round.
pub const SWEEP_SECONDS: u64 = 30 * 60;
const _: () = assert!(SWEEP_SECONDS * (1_000_000_000 >> PACKET_SHIFT) < TIME - MAX_AHEAD);

/// Fractional bits of an interval, so that a rate is kept to within half a percent where its
/// interval is only a few units long (10,000,000 packets a second: 6.25 units).
const FRACTION_BITS: u32 = 8;
/// 2^64 over the golden ratio: multiples of it spread evenly (Knuth, TAOCP 3, 6.4).
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
/// What rounding may add up to over a burst is allowed on top, so that a whole burst fits: half
/// an interval, which lets nobody in who would not be, and at most this many units. Only for
/// intervals that have a fraction.
#[cfg(not(target_arch = "bpf"))]
const MAX_ROUNDING_SLACK: u64 = 1000;

/// Which of the two rates of a source, and so which clock unit and table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// New connections.
    Connection,
    /// Packets.
    Packet,
}

impl Kind {
    /// Nanoseconds to this kind's units.
    #[inline(always)]
    pub const fn time(self, now_ns: u64) -> u64 {
        match self {
            Self::Connection => now_ns >> CONNECTION_SHIFT,
            Self::Packet => now_ns >> PACKET_SHIFT,
        }
    }

    /// Nanoseconds in a unit.
    pub const fn unit_ns(self) -> u64 {
        match self {
            Self::Connection => 1 << CONNECTION_SHIFT,
            Self::Packet => 1 << PACKET_SHIFT,
        }
    }
}

/// What an event costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// A TCP connection, or a packet.
    Whole,
    /// A QUIC Initial: a handshake needs up to four.
    Quarter,
}

/// A rate as the packet program reads it. An interval of 0 is no limit.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct Rate {
    /// Units between two events, in 1/256.
    interval_q8: u64,
    /// How far ahead of now a TAT may be after an event, in units.
    limit: u64,
}

impl Rate {
    /// No limit.
    pub const NONE: Self = Self {
        interval_q8: 0,
        limit: 0,
    };

    #[cfg(not(target_arch = "bpf"))]
    /// `burst` events at once, then one every `1 / per_second`. `None` where that is not
    /// representable: an interval of 0, or a reach of more than [`MAX_REACH_SECONDS`].
    pub fn new(kind: Kind, per_second: f64, burst: f64) -> Option<Self> {
        let units_per_second = 1e9 / kind.unit_ns() as f64;
        let interval = units_per_second / per_second;
        let interval_q8 = (interval * (1 << FRACTION_BITS) as f64 + 0.5) as u64;
        let reach = burst * interval_q8 as f64 / (1 << FRACTION_BITS) as f64;
        let possible = per_second > 0.0 && burst >= 1.0 && interval_q8 > 0;
        if !possible || reach > MAX_REACH_SECONDS as f64 * units_per_second {
            return None;
        }
        let fraction = interval_q8 & ((1 << FRACTION_BITS) - 1);
        let half_interval = interval_q8 >> (FRACTION_BITS + 1);
        let slack = if fraction == 0 {
            0
        } else {
            half_interval.min(MAX_ROUNDING_SLACK)
        };
        let whole = reach as u64;
        let limit = whole + (reach > whole as f64) as u64 + slack;
        Some(Self { interval_q8, limit })
    }

    /// Whether anything is limited.
    #[inline(always)]
    pub const fn is_limit(&self) -> bool {
        self.interval_q8 != 0
    }

    #[cfg(not(target_arch = "bpf"))]
    /// The rate that is enforced, in events a second: what rounding left of the configured one.
    pub fn effective_per_second(&self, kind: Kind) -> f64 {
        let units_per_second = 1e9 / kind.unit_ns() as f64;
        units_per_second * (1 << FRACTION_BITS) as f64 / self.interval_q8 as f64
    }

    /// Units between two such events, in 1/256.
    #[inline(always)]
    const fn step_q8(&self, cost: Cost) -> u64 {
        match cost {
            Cost::Whole => self.interval_q8,
            Cost::Quarter => self.interval_q8 >> 2,
        }
    }

    /// Units by which an event moves the TAT `at`. A fraction is rounded up as often as it is
    /// large, by a number drawn from the TAT itself, so that the mean is exact.
    #[inline(always)]
    const fn charge(&self, cost: Cost, at: u64) -> u64 {
        // Twice, with a fold between: multiples of the interval must not fall into a rhythm.
        let drawn = at.wrapping_mul(GOLDEN);
        let drawn = (drawn ^ drawn >> 32).wrapping_mul(GOLDEN) >> (64 - FRACTION_BITS);
        (self.step_q8(cost) + drawn) >> FRACTION_BITS
    }

    /// The TAT of a source after its first event, at `now`. A burst is at least one, so the
    /// event conforms.
    #[inline(always)]
    pub const fn first(&self, now: u64, cost: Cost) -> u64 {
        now.wrapping_add(self.step_q8(cost) >> FRACTION_BITS) & TIME
    }

    /// The TAT after one more event at `now` (both in the kind's units, `TIME` bits), or `None`
    /// if the event does not conform.
    #[inline(always)]
    pub const fn next(&self, tat: u64, now: u64, cost: Cost) -> Option<u64> {
        let ahead = self.ahead(tat, now);
        let at = now.wrapping_add(ahead) & TIME;
        let charge = self.charge(cost, at);
        // The fraction's rounding must not refuse what fits exactly: `limit` has slack for it.
        if ahead + charge > self.limit {
            return None;
        }
        Some(at.wrapping_add(charge) & TIME)
    }

    /// How far ahead of `now` a TAT of this rate lies; 0 once it has come. A TAT further ahead
    /// than the rate can ever have put it, as seen by a clock that is [`LATE`], is one that the
    /// clock's wrap has brought round, or one of an older, longer rate: it has come.
    #[inline(always)]
    pub const fn ahead(&self, tat: u64, now: u64) -> u64 {
        let ahead = tat.wrapping_sub(now) & TIME;
        // A damaged limit may be any number.
        if ahead > self.limit.wrapping_add(LATE) {
            0
        } else {
            ahead
        }
    }

    #[cfg(not(target_arch = "bpf"))]
    /// Units until one more event conforms, if none comes meanwhile; 0 if it does now.
    pub const fn wait(&self, tat: u64, now: u64, cost: Cost) -> u64 {
        let ahead = self.ahead(tat, now);
        let charge = self.charge(cost, now.wrapping_add(ahead) & TIME);
        (ahead + charge).saturating_sub(self.limit)
    }

    #[cfg(not(target_arch = "bpf"))]
    /// Whole events that may come at once, to a source that is `ahead` units ahead of now.
    pub const fn left(&self, ahead: u64) -> u64 {
        (self.limit.saturating_sub(ahead) << FRACTION_BITS) / self.interval_q8
    }

    /// Units between two events, in 1/256, and how far ahead a TAT may be, in units.
    #[inline(always)]
    pub const fn to_parts(&self) -> (u64, u64) {
        (self.interval_q8, self.limit)
    }

    /// What [`Self::to_parts`] took apart.
    #[inline(always)]
    pub const fn from_parts(interval_q8: u64, limit: u64) -> Self {
        Self { interval_q8, limit }
    }
}

/// Units that a TAT of any rate may lie ahead, by a clock that is [`LATE`]: the packet table's.
/// Connections reach as many seconds, far fewer of their units.
pub const MAX_AHEAD: u64 = MAX_REACH_SECONDS * (1_000_000_000 >> PACKET_SHIFT) + LATE;

/// How far ahead a TAT of an unknown rate lies; 0 if it lies further than any rate reaches.
pub const fn ahead_of_any(tat: u64, now: u64) -> u64 {
    let ahead = tat.wrapping_sub(now) & TIME;
    if ahead > MAX_AHEAD { 0 } else { ahead }
}
