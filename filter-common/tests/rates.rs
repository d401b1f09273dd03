//! Rates and cells, on the host.

use filter_common::addr::Address;
use filter_common::gcra::{Cost, Kind, LATE, Rate, TIME};
use filter_common::sources::{Bucket, Seed, hash, peek, take};
use std::sync::atomic::AtomicU64;

const SEED: Seed = Seed {
    words: [
        0x1234_5678_9abc_def1,
        0xfeed_f00d_dead_beef,
        0x0f1e_2d3c_4b5a_6978,
        0x5555,
    ],
};

fn set() -> [AtomicU64; 8] {
    std::array::from_fn(|_| AtomicU64::new(0))
}

fn key(source: u32) -> u64 {
    hash(
        &SEED,
        Bucket {
            service: 3,
            override_tag: 0,
        },
        Address::V4(source),
    )
}

/// Events let through of `offered` ones at `step_ns`.
fn passed(kind: Kind, rate: &Rate, cost: Cost, offered: u64, step_ns: u64) -> u64 {
    let set = set();
    let passes = |n: &u64| take(&set, key(1), rate, cost, kind.time(n * step_ns)).conforms;
    (0..offered).filter(passes).count() as u64
}

#[test]
fn a_burst_comes_at_once_and_no_more() {
    for (kind, per_second, burst) in [
        (Kind::Connection, 20.0, 40.0),
        (Kind::Connection, 0.2, 1.0),
        (Kind::Connection, 10_000.0, 100.0),
        (Kind::Connection, 3.0, 7.0),
        (Kind::Packet, 50_000.0, 100_000.0),
        (Kind::Packet, 10_000_000.0, 100_000.0),
        (Kind::Packet, 9_700_003.0, 97_001.0),
    ] {
        let rate = Rate::new(kind, per_second, burst).expect("representable");
        let through = passed(kind, &rate, Cost::Whole, burst as u64 * 2, 0);
        // To within half a percent, and so exactly for a burst below 200.
        let extra = (through as f64 - burst).abs();
        assert!(
            extra <= burst * 0.005,
            "{kind:?} {per_second}/s: {through} of {burst}"
        );
    }
}

#[test]
fn a_burst_of_quic_handshakes_is_four_initials_each() {
    let rate = Rate::new(Kind::Connection, 976.5625, 10.0).expect("representable");
    assert_eq!(passed(Kind::Connection, &rate, Cost::Quarter, 100, 0), 40);
}

#[test]
fn the_rate_is_kept_to_half_a_percent_over_its_whole_range() {
    for (kind, per_second) in [
        (Kind::Connection, 0.001),
        (Kind::Connection, 50.0),
        (Kind::Connection, 9_999.0),
        (Kind::Packet, 1.0),
        (Kind::Packet, 50_000.0),
        (Kind::Packet, 777_777.0),
        (Kind::Packet, 9_990_000.0),
        (Kind::Packet, 10_000_000.0),
    ] {
        let burst = 10.0;
        let rate = Rate::new(kind, per_second, burst).expect("representable");
        assert!((rate.effective_per_second(kind) / per_second - 1.0).abs() < 0.005);
        // Twice the rate is offered, for the time of 20,000 events.
        let step_ns = (1e9 / per_second / 2.0) as u64;
        let through = passed(kind, &rate, Cost::Whole, 40_000, step_ns) as f64 - burst;
        let due = 40_000.0 * step_ns as f64 / 1e9 * per_second;
        assert!(
            (through / due - 1.0).abs() < 0.005,
            "{kind:?} {per_second}/s: {through} of {due}"
        );
    }
}

#[test]
fn a_refused_event_costs_nothing() {
    let rate = Rate::new(Kind::Connection, 976.5625, 1.0).expect("representable");
    let set = set();
    let at = |units| take(&set, key(1), &rate, Cost::Whole, units).conforms;
    assert!(at(5000));
    for units in 5001..6000 {
        assert!(!at(units), "{units}");
    }
    assert!(at(6000));
}

#[test]
fn peeking_changes_nothing() {
    let rate = Rate::new(Kind::Connection, 976.5625, 2.0).expect("representable");
    let set = set();
    for _ in 0..10 {
        assert!(peek(&set, key(1), &rate, Cost::Whole, 9));
    }
    assert!(take(&set, key(1), &rate, Cost::Whole, 9).conforms);
    assert!(take(&set, key(1), &rate, Cost::Whole, 9).conforms);
    assert!(!peek(&set, key(1), &rate, Cost::Whole, 9));
}

#[test]
fn a_reach_of_more_than_four_hours_is_refused() {
    assert!(Rate::new(Kind::Connection, 1.0, 14_400.0).is_some());
    assert!(Rate::new(Kind::Connection, 1.0, 14_401.0).is_none());
    assert!(Rate::new(Kind::Packet, 1.0, 14_401.0).is_none());
    assert!(Rate::new(Kind::Connection, 0.0, 1.0).is_none());
}

#[test]
fn the_clock_may_wrap_under_a_source() {
    let rate = Rate::new(Kind::Packet, 1000.0, 3.0).expect("representable");
    let set = set();
    let wrap_ns = 1u64 << 44;
    let at = |ns: u64| take(&set, key(1), &rate, Cost::Whole, Kind::Packet.time(ns)).conforms;
    assert!(at(wrap_ns - 1000));
    assert!(at(wrap_ns - 500));
    assert!(at(wrap_ns + 500));
    assert!(
        !at(wrap_ns + 1000),
        "three are spent, on whichever side of the wrap"
    );
    assert!(at(wrap_ns + 1_100_000));
}

#[test]
fn a_source_not_seen_for_a_wrap_is_as_new() {
    let rate = Rate::new(Kind::Packet, 1000.0, 1.0).expect("representable");
    let set = set();
    let wrap_ns = 1u64 << 44;
    let at = |ns: u64| take(&set, key(1), &rate, Cost::Whole, Kind::Packet.time(ns)).conforms;
    assert!(at(wrap_ns / 2));
    // Now its time lies a little ahead again, modulo the wrap, but further than the rate goes.
    assert!(at(wrap_ns / 2 + wrap_ns - 1_000_000_000));
}

#[test]
fn a_clock_that_was_read_before_anothers_lets_nobody_through() {
    for (kind, per_second, burst) in [
        (Kind::Connection, 20.0, 40.0),
        (Kind::Connection, 1.0, 14_400.0),
        (Kind::Packet, 1000.0, 100.0),
        (Kind::Packet, 3.0, 43_200.0),
    ] {
        let rate = Rate::new(kind, per_second, burst).expect("representable");
        let set = set();
        let at = |now: u64| take(&set, key(1), &rate, Cost::Whole, now).conforms;
        // It is spent, and a CPU with a later reading takes what comes back until then.
        let (now, later) = (1 << 39, (1 << 39) + LATE - 1);
        let is_spent = (0..2 * burst as u64 + 1000).any(|_| !at(now) && !at(later));
        assert!(is_spent, "{kind:?} {per_second}/s: no end");
        for earlier in [0, 1, 1000, LATE - 1] {
            assert!(!at(now + earlier), "{kind:?} {per_second}/s: {earlier}");
        }
        assert!(
            !at(later),
            "{kind:?} {per_second}/s: nothing was given back"
        );
    }
}

#[test]
fn who_was_only_refused_was_seen_again_too() {
    let rate = Rate::new(Kind::Connection, 1.0, 1.0).expect("representable");
    let set = set();
    let go = |source: u32, now: u64| take(&set, key(source), &rate, Cost::Whole, now);
    let now = 1 << 30;
    assert!(go(1, now).conforms);
    assert!(!go(1, now + 1).conforms);
    for source in 2..=8 {
        assert!(go(source, now + 2).conforms);
    }
    // Though its time is the nearest.
    assert!(go(9, now + 3).evicted);
    assert!(!go(1, now + 4).conforms);
}

#[test]
fn a_newcomer_takes_a_free_cell_then_one_seen_once_then_the_nearest() {
    let rate = Rate::new(Kind::Connection, 1.0, 100.0).expect("representable");
    let set = set();
    let go = |source: u32, now: u64| take(&set, key(source), &rate, Cost::Whole, now);
    let now = 1 << 30;
    for source in 1..=8 {
        assert!(!go(source, now + u64::from(source)).evicted);
    }
    // All but number 5 are seen again.
    for source in [1, 2, 3, 4, 6, 7, 8] {
        assert!(!go(source, now + 10).evicted);
    }
    assert!(go(9, now + 11).evicted);
    // Under a burst of two, who has come twice is refused, and who is unknown is not.
    let burst_of_two = Rate::new(Kind::Connection, 1.0, 2.0).expect("representable");
    for source in [1, 2, 3, 4, 6, 7, 8] {
        let fresh = peek(&set, key(source), &burst_of_two, Cost::Whole, now + 12);
        assert!(!fresh, "source {source} was seen twice and keeps its cell");
    }
    assert!(
        peek(&set, key(5), &burst_of_two, Cost::Whole, now + 12),
        "5 made room"
    );
}

#[test]
fn pairs_of_forged_packets_do_not_keep_their_cells() {
    let rate = Rate::new(Kind::Connection, 1.0, 100.0).expect("representable");
    let set = set();
    let now = 1 << 30;
    for source in 1..=8u32 {
        for _ in 0..2 {
            take(&set, key(source), &rate, Cost::Whole, now);
        }
    }
    // One in vain, which spends every bit; then newcomers find cells that were seen once.
    assert!(take(&set, key(100), &rate, Cost::Whole, now).evicted);
    let bits = set
        .iter()
        .filter(|cell| cell.load(std::sync::atomic::Ordering::Relaxed) >> 63 != 0);
    assert_eq!(bits.count(), 0);
}

#[test]
fn a_flood_does_not_take_the_state_of_who_comes_again() {
    let rate = Rate::new(Kind::Connection, 1.0, 100.0).expect("representable");
    let set = set();
    let now = 1 << 30;
    for _ in 0..2 {
        take(&set, key(1), &rate, Cost::Whole, now);
    }
    for forged in 1000..100_000u32 {
        take(&set, key(forged), &rate, Cost::Whole, now + 1);
    }
    let burst_of_two = Rate::new(Kind::Connection, 1.0, 2.0).expect("representable");
    assert!(!peek(&set, key(1), &burst_of_two, Cost::Whole, now + 2));
}

#[test]
fn an_empty_cell_is_free_at_any_time_of_the_clock() {
    let rate = Rate::new(Kind::Connection, 1.0, 1.0).expect("representable");
    // Its time, 0, lies ahead of the latter part of the clock's round.
    for now in (0..1 << 40).step_by(1 << 36) {
        let set = set();
        for source in 0..8 {
            let taken = take(&set, key(source), &rate, Cost::Whole, now);
            assert!(taken.conforms && !taken.evicted, "{source} at {now}");
        }
        for source in 0..8 {
            let conforms = peek(&set, key(source), &rate, Cost::Whole, now);
            assert!(!conforms, "{source} at {now}");
        }
    }
}

#[test]
fn a_cell_is_free_from_the_very_moment_that_its_time_comes() {
    // A second ahead, and nearly as far as may be.
    for (kind, per_second) in [(Kind::Connection, 1.0), (Kind::Packet, 1.0 / 14_000.0)] {
        let rate = Rate::new(kind, per_second, 1.0).expect("representable");
        let interval = rate.first(0, Cost::Whole);
        let before_wrap = |units: u64| TIME.wrapping_sub(units) & TIME;
        for start in [0, 1 << 30, before_wrap(interval), before_wrap(1), TIME] {
            for (later, is_live) in [(0, true), (interval - 1, true), (interval, false)] {
                let set = set();
                for source in 0..8 {
                    take(&set, key(source), &rate, Cost::Whole, start);
                }
                let taken = take(&set, key(8), &rate, Cost::Whole, start + later);
                assert_eq!(taken.evicted, is_live, "{kind:?}: {later} after {start}");
            }
        }
    }
}

#[test]
fn an_event_that_is_overtaken_for_ever_passes_and_says_so() {
    struct Busy;
    impl filter_common::sources::Cell for Busy {
        fn load(&self) -> u64 {
            0
        }
        fn swap(&self, _: u64, _: u64) -> bool {
            false
        }
    }
    let rate = Rate::new(Kind::Connection, 1.0, 1.0).expect("representable");
    let taken = take(&[const { Busy }; 8], key(1), &rate, Cost::Whole, 5);
    assert!(taken.conforms && taken.contended && !taken.evicted);
}

#[test]
fn sources_buckets_and_families_hash_apart() {
    let mut seen = std::collections::HashSet::new();
    for source in 0..50_000u32 {
        for service in 0..2 {
            for override_tag in [0, 9] {
                let bucket = Bucket {
                    service,
                    override_tag,
                };
                assert!(seen.insert(hash(&SEED, bucket, Address::V4(source))));
            }
        }
    }
    let bucket = Bucket {
        service: 0,
        override_tag: 0,
    };
    assert!(seen.insert(hash(&SEED, bucket, Address::V6 { upper: 7, lower: 0 })));
    let other = Seed {
        words: [1, 2, 3, 4],
    };
    assert_ne!(
        hash(&other, bucket, Address::V4(7)),
        hash(&SEED, bucket, Address::V4(7))
    );
}

#[test]
fn hashes_spread_evenly_over_sets() {
    let mut sets = vec![0u32; 1 << 12];
    for source in 0..1u32 << 16 {
        sets[key(source) as usize & 0xfff] += 1;
    }
    // 16 a set on average; a Poisson tail beyond 45 has a chance of one in a million.
    assert!(sets.iter().all(|&n| n < 45), "{:?}", sets.iter().max());
}
