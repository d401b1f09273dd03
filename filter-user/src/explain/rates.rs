//! Where a source stands with its rates: how much is left, and when the next is let in.

use super::decider::Sets;
use super::question::What;
use crate::config::{At, Key};
use filter_common::answer::Limited;
use filter_common::gcra::{Cost, Kind};
use serde::Serialize;

/// A source's state under one rate, in whole events.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RateState {
    /// `connections` or `packets`.
    pub kind: &'static str,
    /// What is enforced.
    pub per_second: f64,
    /// At once, after a rest.
    pub burst: u64,
    /// At once, now.
    pub left: u64,
    /// Until the next is let in; 0 for now.
    pub next_in_seconds: f64,
    /// Whether the source has used any of it that has not come back.
    pub is_used: bool,
    /// Of an override: the prefix that has it.
    pub override_prefix: Option<String>,
    /// Where the rate is written.
    pub at: Option<At>,
}

/// Of each rate that was asked.
pub(super) fn states(sets: &Sets<'_>) -> Vec<RateState> {
    let state = |kind: Kind| {
        let limited = sets.answer.limited(kind)?;
        let (name, cost, at) = match kind {
            Kind::Connection => ("connections", cost(sets.question.what), {
                sets.rate_at(Key::ConnectionRate)
            }),
            Kind::Packet => ("packets", Cost::Whole, sets.rate_at(Key::PacketRate)),
        };
        let (left, next_in_seconds) = standing(&limited, kind, cost, sets.answer.now_ns);
        let other = sets.rate_override();
        Some(RateState {
            kind: name,
            per_second: limited.rate().effective_per_second(kind),
            burst: limited.rate().left(0),
            left,
            next_in_seconds,
            is_used: limited.arrival().is_some(),
            override_prefix: other.map(|(_, mention)| mention.prefix.to_string()),
            at,
        })
    };
    let kinds = [Kind::Connection, Kind::Packet];
    kinds.into_iter().filter_map(state).collect()
}

/// An Initial is a quarter of a connection.
const fn cost(what: What) -> Cost {
    match what {
        What::Quic(_) => Cost::Quarter,
        What::Tcp(_) | What::Udp(_) | What::Icmp | What::Protocol(_) => Cost::Whole,
    }
}

/// Whole events left, and seconds until the next.
fn standing(limited: &Limited, kind: Kind, cost: Cost, now_ns: u64) -> (u64, f64) {
    let (rate, now) = (limited.rate(), kind.time(now_ns));
    let Some(arrival) = limited.arrival() else {
        return (rate.left(0), 0.0);
    };
    let left = rate.left(rate.ahead(arrival, now));
    let wait = rate.wait(arrival, now, cost);
    let seconds = (wait * kind.unit_ns()) as f64 / 1e9;
    match (wait, cost) {
        // Rounding may leave a hair less than an interval, of an event that fits.
        (0, Cost::Whole) => (left.max(1), 0.0),
        (0, Cost::Quarter) => (left, 0.0),
        (_, _) => (0, seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use filter_common::gcra::Rate;

    /// One connection every 1.024 s, three at once.
    fn limited(arrival: Option<u64>) -> Limited {
        let rate = Rate::new(Kind::Connection, 0.976_562_5, 3.0).unwrap();
        let (interval_q8, limit) = rate.to_parts();
        Limited {
            state: arrival.map_or(0, |arrival| Limited::KNOWN | arrival),
            interval_q8,
            limit,
        }
    }

    #[test]
    fn what_is_left_shrinks_and_comes_back() {
        // In units: an interval is a million of them.
        let now = 1_000_000_000;
        let standing = |ahead: Option<u64>| {
            let limited = limited(ahead.map(|ahead| now + ahead));
            standing(&limited, Kind::Connection, Cost::Whole, now << 10)
        };
        assert_eq!(standing(None), (3, 0.0));
        assert_eq!(standing(Some(0)), (3, 0.0));
        assert_eq!(standing(Some(1_000_000)), (2, 0.0));
        assert_eq!(standing(Some(2_000_000)), (1, 0.0));
        assert_eq!(standing(Some(3_000_000)), (0, 1.024));
        assert_eq!(standing(Some(2_500_000)), (0, 0.512));
        // Its time came long ago.
        assert_eq!(standing(Some((1 << 40) - 5_000_000)), (3, 0.0));
    }

    #[test]
    fn after_the_wait_and_not_before_the_next_conforms() {
        let now = 1_000_000_000;
        for ahead in (0..3_000_000).step_by(7919) {
            let limited = limited(Some(now + ahead));
            let rate = limited.rate();
            let wait = rate.wait(now + ahead, now, Cost::Whole);
            assert!(rate.next(now + ahead, now + wait, Cost::Whole).is_some());
            if wait > 0 {
                let early = now + wait - 1;
                assert!(rate.next(now + ahead, early, Cost::Whole).is_none());
            }
        }
    }
}
