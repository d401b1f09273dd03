//! Sampled events: what the packet program tells of a packet, and how much it may tell.
//!
//! The kernel copies fixed fields, the daemon formats. Budgets are functions of (state, limits,
//! now): no clock is read here.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Reasons under which an event can be sent: those that drop, and `allowed` for the services
/// that log their connections. Each has a share of the budget.
pub const REPORTED_REASONS: u32 = 10;
/// Places of a budget, by number of the reason: a power of two above all of them.
pub const REASON_PLACES: usize = 16;
/// Nanoseconds of a budget's window as a shift: 1.07 s, a second without a division.
const WINDOW_SHIFT: u32 = 30;

/// One packet, as a record of the ring buffer. Numbers are in host order; what the packet does
/// not have, or what its header is too broken to tell, is 0.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct Event {
    /// Nanoseconds of the coarse monotonic clock.
    pub time_ns: u64,
    /// Who sent it, upper and lower half; IPv4 in the low 32 bits.
    pub source: [u64; 2],
    /// To whom, likewise.
    pub destination: [u64; 2],
    /// Bytes, from the Ethernet header on.
    pub packet_length: u32,
    /// Number of the policy that judged it.
    pub generation: u32,
    /// Index of the interface that it came in by.
    pub interface_index: u32,
    /// Port of the sender.
    pub source_port: u16,
    /// Port of the receiver.
    pub destination_port: u16,
    /// VLAN tags, outer first: 1 more than the id, 0 for none.
    pub vlans: [u16; 2],
    /// Number of the outcome.
    pub outcome: u8,
    /// Number of the service, where the outcome has one.
    pub service: u8,
    /// Slot of the interface.
    pub interface: u8,
    /// IP version: 4 or 6; 0 where no IP header was to be read.
    pub ip_version: u8,
    /// IP protocol, behind the extension headers where they could be read.
    pub protocol: u8,
    /// Flags of the TCP header.
    pub tcp_flags: u8,
    /// 1 where the ports are those of the packet.
    pub has_ports: u8,
    /// Zero.
    pub padding: [u8; 5],
}

/// How many events a CPU may send in a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Of each reason, whatever the others do.
    pub share: u32,
    /// Beyond the shares, whoever comes first.
    pub pool: u32,
}

impl Limits {
    /// Half of the budget in equal shares, at least one each; the rest for whoever needs it. 0
    /// sends nothing.
    pub const fn new(events_per_second: u32) -> Self {
        if events_per_second == 0 {
            return Self { share: 0, pool: 0 };
        }
        let half = events_per_second / (2 * REPORTED_REASONS);
        let share = if half == 0 { 1 } else { half };
        Self {
            share,
            pool: events_per_second.saturating_sub(share * REPORTED_REASONS),
        }
    }

    /// As they stand in the map `EVENT_LIMITS`.
    #[inline(always)]
    pub const fn from_word(word: u64) -> Self {
        Self {
            share: word as u32,
            pool: (word >> 32) as u32,
        }
    }

    /// The word for the map.
    pub const fn to_word(self) -> u64 {
        self.share as u64 | (self.pool as u64) << 32
    }
}

/// What was spent, and in which window. Each share knows its own window: nothing is cleared when
/// another begins.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
struct Spent {
    window: u32,
    events: u32,
}

impl Spent {
    #[inline(always)]
    fn take(&mut self, limit: u32, window: u32) -> bool {
        let events = if self.window == window {
            self.events
        } else {
            0
        };
        if events >= limit {
            return false;
        }
        self.window = window;
        self.events = events + 1;
        true
    }
}

/// One CPU's budget, and what became of its events since the maps were made.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct Budget {
    /// Of the pool.
    pool: Spent,
    /// Of each reason's share.
    shares: [Spent; REASON_PLACES],
    /// Events that were sent.
    pub sent: u64,
    /// Events that were not, for want of budget or of room in the ring, by reason.
    pub lost: [u64; REASON_PLACES],
    /// The tick in which an event of each reason was last found to be over the budget.
    spent_in: [u64; REASON_PLACES],
}

impl Budget {
    /// Whether one more event of this reason, by its number, may be sent now; if so it is
    /// booked.
    #[inline(always)]
    pub fn take(&mut self, reason: usize, limits: Limits, now_ns: u64) -> bool {
        let window = (now_ns >> WINDOW_SHIFT) as u32;
        self.shares[reason % REASON_PLACES].take(limits.share, window)
            || self.pool.take(limits.pool, window)
    }

    /// Whether there was no budget left for this reason earlier in this tick, a number that is
    /// never 0. The coarse clock moves once a tick, so there is none now; and to ask this costs
    /// less than to ask the clock.
    #[inline(always)]
    pub fn is_spent(&self, reason: usize, tick: u64) -> bool {
        self.spent_in[reason % REASON_PLACES] == tick
    }

    /// There is no budget for this reason in this tick.
    #[inline(always)]
    pub fn set_spent(&mut self, reason: usize, tick: u64) {
        self.spent_in[reason % REASON_PLACES] = tick;
    }

    /// Counts an event that was sent.
    #[inline(always)]
    pub fn count_sent(&mut self) {
        self.sent += 1;
    }

    /// Counts an event that was not.
    #[inline(always)]
    pub fn count_lost(&mut self, reason: usize) {
        self.lost[reason % REASON_PLACES] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Reason;

    const SECOND_NS: u64 = 1 << WINDOW_SHIFT;

    /// How many of `tries` events of a reason are sent within one window.
    fn sent(budget: &mut Budget, reason: Reason, limits: Limits, now_ns: u64, tries: u32) -> u32 {
        let taken = (0..tries).filter(|_| budget.take(reason as usize, limits, now_ns));
        taken.count() as u32
    }

    #[test]
    fn a_flood_of_one_reason_never_silences_the_others() {
        let limits = Limits::new(100);
        let mut budget = Budget::default();
        for second in 1..4 {
            let now = second * SECOND_NS;
            let flood = sent(&mut budget, Reason::NotAllowed, limits, now, 1_000_000);
            assert_eq!(flood, limits.share + limits.pool);
            for reason in Reason::ALL {
                if reason != Reason::NotAllowed {
                    let others = sent(&mut budget, reason, limits, now, 1000);
                    assert_eq!(others, limits.share, "{reason:?}");
                }
            }
        }
    }

    #[test]
    fn a_window_never_passes_the_budget_and_each_reason_has_at_least_one() {
        for events in [1, 2, 9, 10, 19, 20, 99, 100, 1234, 1_000_000] {
            let limits = Limits::new(events);
            assert!(limits.share >= 1);
            let all = u64::from(limits.share) * u64::from(REPORTED_REASONS);
            let all = all + u64::from(limits.pool);
            assert!(
                all <= u64::from(events.max(REPORTED_REASONS)),
                "{events}: {all}"
            );
            assert!(all >= u64::from(events), "{events}: {all}");
            assert_eq!(Limits::from_word(limits.to_word()), limits);
        }
    }

    #[test]
    fn a_budget_of_zero_sends_nothing() {
        let mut budget = Budget::default();
        let limits = Limits::new(0);
        assert_eq!(sent(&mut budget, Reason::Denied, limits, SECOND_NS, 100), 0);
    }

    #[test]
    fn a_budget_is_whole_again_in_the_next_window_even_after_the_window_number_wraps() {
        let limits = Limits::new(10);
        let mut budget = Budget::default();
        let all = limits.share + limits.pool;
        for now in [0, SECOND_NS, u64::MAX, 0, 7 * SECOND_NS] {
            assert_eq!(sent(&mut budget, Reason::Banned, limits, now, 50), all);
            assert_eq!(sent(&mut budget, Reason::Banned, limits, now, 50), 0);
        }
    }

    #[test]
    fn what_has_no_budget_left_is_known_for_its_reason_and_tick_alone() {
        let mut budget = Budget::default();
        let (denied, banned) = (Reason::Denied as usize, Reason::Banned as usize);
        assert!(!budget.is_spent(denied, 1) && !budget.is_spent(denied, u64::MAX));
        budget.set_spent(denied, 7);
        budget.set_spent(banned, 8);
        for tick in 1..10 {
            assert_eq!(budget.is_spent(denied, tick), tick == 7);
            assert_eq!(budget.is_spent(banned, tick), tick == 8);
        }
    }

    #[test]
    fn every_reported_outcome_has_one_of_the_reasons_with_a_share() {
        let outcomes = (0..=u8::MAX).filter_map(crate::verdict::Outcome::from_number);
        let mut seen = [false; REASON_PLACES];
        for outcome in outcomes.filter(|outcome| outcome.is_reported()) {
            assert_eq!(outcome.reason_number(), outcome.reason() as usize);
            seen[outcome.reason_number()] = true;
        }
        seen[Reason::Allowed as usize] = true;
        let reasons = seen.iter().filter(|seen| **seen).count();
        assert_eq!(reasons, REPORTED_REASONS as usize);
    }
}
