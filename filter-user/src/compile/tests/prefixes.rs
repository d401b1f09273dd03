//! Look-ups in one list against the prefixes themselves. Many prefixes are scanned by their
//! last addresses, sorted and joined, fewer one by one.

use super::random::{Random, net4, net6};
use super::*;
use crate::compile::tests::oracle::source;
use filter_common::policy::{ClassEntry, class_entry};
use proptest::prelude::*;
use std::collections::HashSet;
use std::net::IpAddr;

/// Compiles one list that one service allows, and asks for each prefix: its ends, what lies
/// next to them, and addresses inside and anywhere.
pub(super) fn check_list(v4: Vec<Ipv4Net>, v6: Vec<Ipv6Net>, probes: usize) -> Generation {
    let mut policy = empty_policy();
    policy.lists.push(list("one", v4, v6));
    policy.services.push(service("api", 443));
    policy.services[0].allow = of_lists(&[0]);
    let generation = in_order(&policy);
    let tables = HostTables::new(&generation);
    let contains4: HashSet<_> = policy.lists[0].v4.iter().copied().collect();
    let contains6: HashSet<_> = policy.lists[0].v6.iter().copied().collect();
    let lengths4 = 0..=32;
    let lengths6 = 0..=128;
    let check = |address: IpAddr| {
        let expected = match address {
            IpAddr::V4(address) => lengths4
                .clone()
                .any(|length| contains4.contains(&net4(address.into(), length))),
            IpAddr::V6(address) => lengths6
                .clone()
                .any(|length| contains6.contains(&net6(address.into(), length))),
        };
        let class = tables.class(source(address)).expect("a well-formed table");
        let entry = class_entry(tables.fixed(), &tables, class, 0).expect("a class page");
        assert_eq!(entry.has(ClassEntry::ALLOW), expected, "{address}");
    };
    let mut random = Random(7);
    let list = &policy.lists[0];
    let step = |all: usize| (all / probes).max(1);
    for prefix in list.v4.iter().step_by(step(list.v4.len())) {
        let (first, last) = (u32::from(prefix.network()), u32::from(prefix.broadcast()));
        let inside = first + (random.next() & u64::from(last - first)) as u32;
        let other = random.next() as u32;
        for address in [
            first,
            last,
            first.wrapping_sub(1),
            last.wrapping_add(1),
            inside,
            other,
        ] {
            check(IpAddr::V4(address.into()));
        }
    }
    for prefix in list.v6.iter().step_by(step(list.v6.len())) {
        let (first, last) = (u128::from(prefix.network()), u128::from(prefix.broadcast()));
        let inside = first + (random.key() & (last - first));
        let other = random.key();
        let same_64 = first >> 64 << 64 | u128::from(random.next());
        let next_64 = (first >> 64).wrapping_add(1) << 64;
        for address in [
            first,
            last,
            first.wrapping_sub(1),
            last.wrapping_add(1),
            inside,
            other,
            same_64,
            next_64,
        ] {
            check(IpAddr::V6(address.into()));
        }
    }
    generation
}

fn nets4() -> impl Strategy<Value = Vec<Ipv4Net>> {
    let net = (any::<u32>(), 0..=32_u8).prop_map(|(address, length)| net4(address, length));
    let close = (0..1024_u32, 22..=32_u8).prop_map(|(low, length)| net4(0x0a00_fe00 + low, length));
    prop::collection::vec(prop_oneof![net, close], 1..60)
}

fn nets6() -> impl Strategy<Value = Vec<Ipv6Net>> {
    let net = (any::<u128>(), 0..=128_u8).prop_map(|(address, length)| net6(address, length));
    let close = (0..8_u128, 0..8_u128, 56..=128_u8).prop_map(|(upper, lower, length)| {
        net6(
            0x2001_0db8 << 96 | upper << 64 | lower.wrapping_sub(4) & 0xffff_ffff_ffff_ffff,
            length,
        )
    });
    prop::collection::vec(prop_oneof![net, close], 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_prefixes_are_found_and_nothing_else(v4 in nets4(), v6 in nets6()) {
        check_list(v4, v6, usize::MAX);
    }
}

#[test]
fn whole_families_and_single_addresses_are_found() {
    for texts in [
        ["0.0.0.0/0", "::/0"],
        ["0.0.0.0/32", "::/128"],
        [
            "255.255.255.255/32",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
        ],
        ["128.0.0.0/1", "8000::/1"],
        ["10.1.255.255/32", "2001:db8::ffff:ffff:ffff:ffff/128"],
        ["10.1.0.0/16", "ffff:ffff:ffff:ffff::/64"],
    ] {
        check_list(vec![v4(texts[0])], vec![v6(texts[1])], usize::MAX);
    }
}

#[test]
fn last_address_of_a_block_is_found_at_every_chunk_size() {
    for others in 0..20 {
        let mut nets = vec![net4(0x0a01_ffff, 32)];
        nets.extend((0..others).map(|at| net4(0x0a01_0000 + at * 4, 32)));
        check_list(nets, Vec::new(), usize::MAX);
    }
}

#[test]
fn random_prefixes_from_few_to_many_are_found() {
    let mut random = Random(1);
    for (count, bits4, bits6) in [
        (1, 32, 128),
        (10, 20, 30),
        (1_000, 20, 40),
        (30_000, 24, 60),
        (100_000, 32, 64),
    ] {
        let v4 = (0..count).map(|_| random.crowded_v4(bits4)).collect();
        let v6 = (0..count).map(|_| random.crowded_v6(bits6)).collect();
        check_list(v4, v6, 1_500);
    }
}

#[test]
fn tables_do_not_depend_on_the_order_of_prefixes() {
    let mut random = Random(2);
    let mut policy = empty_policy();
    let v4: Vec<_> = (0..500).map(|_| random.crowded_v4(18)).collect();
    let v6: Vec<_> = (0..500).map(|_| random.crowded_v6(40)).collect();
    policy.lists.push(list("one", v4, v6));
    policy.services.push(service("api", 443));
    policy.services[0].allow = of_lists(&[0]);
    let one = in_order(&policy);
    policy.lists[0].v4.reverse();
    policy.lists[0].v6.reverse();
    let other = in_order(&policy);
    assert!(one.fixed.index4 == other.fixed.index4 && one.fixed.index6 == other.fixed.index6);
    assert!(one.pages == other.pages);
    assert_eq!(one.summary, other.summary);
}

#[test]
fn aggregation_is_the_fewest_prefixes() {
    let mut random = Random(3);
    for _ in 0..50 {
        let v4: Vec<_> = (0..40).map(|_| random.crowded_v4(6)).collect();
        let v6: Vec<_> = (0..40).map(|_| random.crowded_v6(4)).collect();
        let expected = (Ipv4Net::aggregate(&v4).len(), Ipv6Net::aggregate(&v6).len());
        let generation = check_list(v4, v6, 1);
        let found = &generation.summary.lists[0];
        assert_eq!((found.aggregated_v4, found.aggregated_v6), expected);
        assert_eq!((found.written_v4, found.written_v6), (40, 40));
    }
}
