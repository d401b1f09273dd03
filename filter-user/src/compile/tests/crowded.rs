//! Distributions that are hard on a table: everything in one place, at several scales.

use super::prefixes::{check_prefixes, policy_of};
use super::random::{Random, net4, net6};
use super::*;
use std::time::Instant;

const PROBES: usize = 300;

/// Name, IPv4 prefixes, IPv6 prefixes.
type Case = (&'static str, Vec<Ipv4Net>, Vec<Ipv6Net>);

/// Every distribution with about `count` prefixes each.
fn cases(count: usize) -> Vec<Case> {
    let mut random = Random(11);
    let r = &mut random;
    let base = 0x2001_0db8_u128 << 96;
    let numbers = 0..count as u32;
    let random4 = |r: &mut Random| {
        let length = 16 + r.below(17) as u8;
        net4(r.next() as u32, length)
    };
    let random6 = |r: &mut Random| {
        let length = 32 + 4 * r.below(9) as u8;
        net6(1 << 125 | r.key() >> 3, length)
    };
    let in_36 = |r: &mut Random| net6(base | u128::from(r.below(1 << 28)) << 64, 64);
    let mut nested = Vec::new();
    let mut nested4 = Vec::new();
    while nested.len() < count {
        let address = r.key();
        nested.extend((16..=128).map(|length| net6(address ^ (1 << (128 - length)), length)));
        let address = r.next() as u32;
        nested4.extend(
            (20..=32)
                .map(|length| net4(address ^ 1_u32.wrapping_shl(32 - u32::from(length)), length)),
        );
    }
    vec![
        (
            "random",
            (0..count).map(|_| random4(r)).collect(),
            (0..count).map(|_| random6(r)).collect(),
        ),
        (
            "IPv4 hosts in 16 /16s, /64s in one /36",
            (0..count)
                .map(|_| net4(0x0a00_0000 | r.below(1 << 20) as u32, 32))
                .collect(),
            (0..count).map(|_| in_36(r)).collect(),
        ),
        (
            "every second IPv4 host, hosts in one /64",
            numbers
                .clone()
                .map(|at| net4(0x0a00_0000 + 2 * at, 32))
                .collect(),
            (0..count)
                .map(|_| net6(base | u128::from(r.next()), 128))
                .collect(),
        ),
        (
            "hosts in distinct /64s",
            Vec::new(),
            (0..count)
                .map(|_| net6(1 << 125 | r.key() >> 3, 128))
                .collect(),
        ),
        (
            "every second host of a /64, every second /64 of a /44",
            Vec::new(),
            (0..count as u128)
                .map(|at| match at % 2 {
                    0 => net6(base | at, 128),
                    _ => net6(base | 1 << 84 | at << 64, 64),
                })
                .collect(),
        ),
        ("nested", nested4, nested),
        (
            "clusters of 257 at each depth",
            Vec::new(),
            (0..count as u128)
                .map(|at| {
                    let (cluster, at) = (at / 257, at % 257);
                    let shift = 8 * (cluster % 14);
                    let high = (cluster.wrapping_mul(0x9e37_79b9_7f4a_7c15) & 0xffff) << 112;
                    net6(high | (2 * at) << shift, (128 - shift) as u8)
                })
                .collect(),
        ),
        (
            "worst nesting of indexes",
            Vec::new(),
            (0..count as u128)
                .map(|at| {
                    // 300 ranges behind the same bits at every level, at both ends of a slot.
                    let (cluster, at) = (at / 300, at % 300);
                    net6((cluster << 112) | (at * 0x1_0001) << 40 | (at * 3), 128)
                })
                .collect(),
        ),
    ]
}

#[test]
fn crowded_places_are_found() {
    for (_, v4, v6) in cases(6_000) {
        check_prefixes(v4, v6, PROBES);
    }
}

#[test]
fn a_block_of_as_many_ranges_as_addresses_is_found() {
    // 65,536 ranges in one /16, a chunk that fills a page, between others.
    let every_second = (0..1 << 15).map(|at| net4(0x0a01_0001 + 2 * at, 32));
    let others = [net4(0x0a00_0000, 31), net4(0x0a02_0001, 32)];
    check_prefixes(every_second.chain(others).collect(), Vec::new(), PROBES);
}

#[test]
fn chunks_and_indexes_meet_at_256_ranges() {
    for count in [126, 127, 128, 129, 255, 256, 257] {
        // Every second host of a /64, behind the same 48 bits; every second /64 of a /48.
        let base = 0x2001_0db8 << 96;
        let lower = (0..count).map(|at| net6(base | (2 * at), 128));
        let upper = (0..count).map(|at| net6(base | 1 << 80 | (2 * at + 1) << 64, 64));
        check_prefixes(Vec::new(), lower.chain(upper).collect(), usize::MAX);
        // The same at the very end of the addresses.
        let lower = (0..count).map(|at| net6(u128::MAX - 2 * at, 128));
        let upper = (0..count).map(|at| net6(u128::MAX - ((2 * at + 1) << 64), 64));
        check_prefixes(Vec::new(), lower.chain(upper).collect(), usize::MAX);
    }
}

#[test]
fn narrow_chunks_are_found_up_to_their_limits() {
    // The first index consumes 16 bits, and 32 hold a start: of a /48, but not of a /49.
    for length in [47, 48, 49, 64] {
        let step = 1 << (128 - length);
        for count in 1..=10 {
            for first in [0, 1] {
                // From the start of a /16 or not: 15 to 18 starts, and the limit is 16.
                let from = (0..count).map(|at| (0x2001 << 112) + (first + 2 * at) * step);
                let up_to = (0..count).map(|at| (0x2003 << 112) - (first + 1 + 2 * at) * step);
                let nets = from.chain(up_to).map(|address| net6(address, length));
                check_prefixes(Vec::new(), nets.collect(), usize::MAX);
            }
        }
    }
}

#[test]
fn branched_chunks_of_any_number_of_starts_are_found() {
    // Behind 48 bits of a /16, the last of which every second start has: 17 to 255 starts.
    for count in (8..=16).chain([24, 25, 63, 64, 65, 127, 128]) {
        for first in [0, 1] {
            let step = 1 << 80;
            let up = (0..count).map(|at| net6((0x2001 << 112) + (first + 2 * at) * step, 48));
            let down = (0..count).map(|at| net6((0x2003 << 112) - (first + 1 + 2 * at) * step, 48));
            check_prefixes(Vec::new(), up.chain(down).collect(), usize::MAX);
        }
    }
}

#[test]
fn an_index_of_two_pages_is_found_near_and_far() {
    // More than 2^17 ranges in a /16, all over it: 65,536 nodes, behind most a narrow chunk.
    let mut random = Random(17);
    let v6: Vec<_> = (0..80_000)
        .map(|_| net6(0x2001 << 112 | random.key() >> 16, 64))
        .collect();
    // Behind no page, one, and two of IPv4; two are near.
    let one_page = vec![net4(0x0a00_0000, 31)];
    let every_second = (0..1 << 15).map(|at| net4(0x0a01_0001 + 2 * at, 32));
    let two_pages = one_page.iter().copied().chain(every_second).collect();
    for v4 in [Vec::new(), one_page, two_pages] {
        check_prefixes(v4, v6.clone(), 2_000);
    }
}

/// Prints what `docs/performance.md` says: run it with `--release -- --ignored --nocapture`.
#[test]
#[ignore = "a million prefixes of each kind: for release builds"]
fn a_million_prefixes_of_each_kind_are_found() {
    for (name, v4, v6) in cases(1_000_000) {
        let counts = (v4.len(), v6.len());
        let policy = policy_of(v4.clone(), v6.clone());
        let start = Instant::now();
        let generation = in_order(&policy);
        let took = start.elapsed();
        let summary = &generation.summary;
        println!(
            "{name}: {} + {} prefixes, {} + {} ranges, {} pages, {} MB, {} ms",
            counts.0,
            counts.1,
            summary.ranges_v4,
            summary.ranges_v6,
            summary.pages,
            summary.bytes >> 20,
            took.as_millis()
        );
        check_prefixes(v4, v6, 20_000);
    }
}

/// The costliest policy to sweep: prefixes of 64 lists that overlap at random.
#[test]
#[ignore = "a million prefixes: for release builds"]
fn a_million_prefixes_in_lists_that_overlap_at_random() {
    let mut random = Random(13);
    let mut policy = empty_policy();
    for at in 0..64 {
        let hosts: Vec<_> = (0..15_000).map(|_| random.below(30_000) as u32).collect();
        let v4 = hosts.iter().map(|&host| net4(host, 32)).collect();
        let v6 = hosts
            .iter()
            .map(|&host| net6(u128::from(host) << 64, 64))
            .collect();
        policy.lists.push(list(&format!("list{at}"), v4, v6));
        let mut service = service(&format!("service{at}"), at);
        service.allow = of_lists(&[usize::from(at)]);
        policy.services.push(service);
    }
    let start = Instant::now();
    let generation = in_order(&policy);
    println!(
        "{} classes, {} ms",
        generation.summary.classes,
        start.elapsed().as_millis()
    );
}
