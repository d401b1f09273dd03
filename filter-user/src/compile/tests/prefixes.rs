//! Look-ups against the prefixes themselves: an address is listed if one of the prefixes that
//! could hold it, one of each length, is.

use super::random::{Random, net4, net6};
use super::*;
use crate::compile::tests::oracle::source;
use filter_common::policy::{ClassEntry, class_entry};
use proptest::prelude::*;
use std::collections::HashSet;
use std::net::IpAddr;

/// Prefixes of even length in one list and of odd length in another, a service for each: where
/// prefixes nest, what is inside differs.
pub(super) fn policy_of(v4: Vec<Ipv4Net>, v6: Vec<Ipv6Net>) -> Policy {
    let (even4, odd4) = v4.into_iter().partition(|net| net.prefix_len() % 2 == 0);
    let (even6, odd6) = v6.into_iter().partition(|net| net.prefix_len() % 2 == 0);
    let mut policy = empty_policy();
    policy.lists = vec![list("even", even4, even6), list("odd", odd4, odd6)];
    policy.services = vec![service("even", 0), service("odd", 1)];
    policy.services[0].allow = of_lists(&[0]);
    policy.services[1].allow = of_lists(&[1]);
    policy
}

/// All prefixes in both lists: there are but two classes.
pub(super) fn policy_of_two_classes(v4: Vec<Ipv4Net>, v6: Vec<Ipv6Net>) -> Policy {
    let mut policy = policy_of(Vec::new(), Vec::new());
    policy.lists = vec![list("even", v4, v6)];
    policy.services[1].allow = of_lists(&[0]);
    policy
}

/// Compiles the prefixes, and asks for each (about `probes` of them, if there are more): its
/// ends, what lies next to them, and addresses inside and anywhere.
pub(super) fn check_prefixes(v4: Vec<Ipv4Net>, v6: Vec<Ipv6Net>, probes: usize) {
    let policy = policy_of(v4.clone(), v6.clone());
    check_policy(&policy, &v4, &v6, probes, |length, service| {
        length % 2 == service
    });
    let policy = policy_of_two_classes(v4.clone(), v6.clone());
    check_policy(&policy, &v4, &v6, probes, |_, _| true);
}

/// `allows` says which prefixes, by their length, are for which service.
fn check_policy(
    policy: &Policy,
    v4: &[Ipv4Net],
    v6: &[Ipv6Net],
    probes: usize,
    allows: impl Fn(u8, u8) -> bool,
) {
    let generation = in_order(policy);
    let tables = HostTables::new(&generation);
    let listed4: HashSet<_> = v4.iter().copied().collect();
    let listed6: HashSet<_> = v6.iter().copied().collect();
    let check = |address: IpAddr| {
        let is_listed = |length: u8| match address {
            IpAddr::V4(address) => length <= 32 && listed4.contains(&net4(address.into(), length)),
            IpAddr::V6(address) => listed6.contains(&net6(address.into(), length)),
        };
        let class = tables.class(source(address)).expect("a well-formed table");
        for service in 0..2 {
            let entry = class_entry(tables.fixed(), &tables, class, service);
            let found = entry.expect("a class page").has(ClassEntry::ALLOW);
            let mut lengths = (0..=128).filter(|length| allows(*length, service));
            let expected = lengths.any(is_listed);
            assert_eq!(found, expected, "{address} and service {service}");
        }
    };
    let mut random = Random(7);
    let step = |all: usize| (all / probes).max(1);
    for prefix in v4.iter().step_by(step(v4.len())) {
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
    for prefix in v6.iter().step_by(step(v6.len())) {
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
        check_prefixes(v4, v6, usize::MAX);
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
        check_prefixes(vec![v4(texts[0])], vec![v6(texts[1])], usize::MAX);
    }
}

#[test]
fn last_address_of_a_block_is_found_at_every_chunk_size() {
    for others in (0..20).chain([29, 30, 31, 60, 61, 62]) {
        // Close together, and all over the block.
        for step in [4, 0x400] {
            let mut nets = vec![net4(0x0a01_ffff, 32)];
            nets.extend((0..others).map(|at| net4(0x0a01_0000 + at * step, 32)));
            check_prefixes(nets, Vec::new(), usize::MAX);
        }
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
        check_prefixes(v4, v6, 1_500);
    }
}

/// Each address against each prefix.
#[test]
fn a_scan_of_all_prefixes_finds_the_same() {
    let mut random = Random(5);
    for (count, probes) in [
        (1, 200),
        (10, 200),
        (1_000, 200),
        (10_000, 100),
        (100_000, 20),
    ] {
        let mut v4: Vec<_> = (0..count).map(|_| random.crowded_v4(32)).collect();
        let mut v6: Vec<_> = (0..count).map(|_| random.crowded_v6(64)).collect();
        // All of a family would leave nothing to find.
        v4.retain(|net| net.prefix_len() > 0);
        v6.retain(|net| net.prefix_len() > 0);
        let policy = policy_of(v4.clone(), v6.clone());
        let generation = in_order(&policy);
        let tables = HostTables::new(&generation);
        for probe in 0..probes {
            let (near4, near6) = (random.below(count), random.below(count));
            let near4 = v4.get(near4 as usize).map_or(0, |net| net.network().into());
            let near6 = v6.get(near6 as usize).map_or(0, |net| net.network().into());
            let (far4, far6) = (random.next() as u32, random.key());
            let (a4, a6) = match probe % 4 {
                0 => (far4, far6),
                1 => (u32::wrapping_sub(near4, 1), u128::wrapping_sub(near6, 1)),
                2 => (near4 ^ far4 >> 24, near6 ^ far6 >> 64),
                _ => (near4, near6),
            };
            for address in [IpAddr::V4(a4.into()), IpAddr::V6(a6.into())] {
                let holds4 = |net: &&Ipv4Net| matches!(address, IpAddr::V4(a) if net.contains(&a));
                let holds6 = |net: &&Ipv6Net| matches!(address, IpAddr::V6(a) if net.contains(&a));
                let lengths4 = v4.iter().filter(holds4).map(|net| net.prefix_len());
                let lengths6 = v6.iter().filter(holds6).map(|net| net.prefix_len());
                let mut expected = [false; 2];
                for length in lengths4.chain(lengths6) {
                    expected[usize::from(length % 2)] = true;
                }
                let class = tables.class(source(address)).expect("a well-formed table");
                let found = [0, 1].map(|service| {
                    let entry = class_entry(tables.fixed(), &tables, class, service);
                    entry.expect("a class page").has(ClassEntry::ALLOW)
                });
                assert_eq!(found, expected, "{address} among {count}");
            }
        }
    }
}

#[test]
fn tables_do_not_depend_on_the_order_of_prefixes() {
    let mut random = Random(2);
    let v4 = (0..500).map(|_| random.crowded_v4(18)).collect();
    let v6 = (0..500).map(|_| random.crowded_v6(40)).collect();
    let mut policy = policy_of(v4, v6);
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
        let mut policy = empty_policy();
        policy.lists.push(list("one", v4, v6));
        let generation = in_order(&policy);
        let found = &generation.summary.lists[0];
        assert_eq!((found.aggregated_v4, found.aggregated_v6), expected);
        assert_eq!((found.written_v4, found.written_v6), (40, 40));
    }
}

#[test]
fn a_damaged_entry_of_any_size_is_read_inside_its_page() {
    let mut generation = in_order(&policy_of(vec![v4("10.1.0.0/24")], Vec::new()));
    // Every page is near, whatever its number.
    generation.fixed.settings.near_pages = u32::MAX;
    for damaged in 0..1 << 7 {
        // The kind of a chunk and its size; at the end of a page.
        generation.fixed.index4[0x0a01] = damaged << 25 | 0x7fff;
        for address in [0x0a01_0000_u32, 0x0a01_7fff, 0x0a01_ffff] {
            let tables = HostTables::new(&generation);
            let class = tables.class(source(IpAddr::V4(address.into())));
            assert!(class.is_some(), "{damaged:#b}");
        }
    }
}

#[test]
fn a_damaged_node_of_any_kind_is_read_inside_its_page() {
    let mut generation = in_order(&policy_of(Vec::new(), vec![v6("2001:db8::/48")]));
    // Every page is near, whatever its number.
    generation.fixed.settings.near_pages = u32::MAX;
    for kind in 0..1_u64 << 4 {
        for size in 0..1_u64 << 9 {
            for start in [0x7fff, 0xffff_ffff] {
                // The size of a chunk or an index, and that of a narrow chunk.
                generation.fixed.index6[0x2001] = kind << 60 | size << 40 | size << 32 | start;
                for address in ["2001::", "2001:db8::1", "2001:ffff::ffff"] {
                    let tables = HostTables::new(&generation);
                    // There need not be a class: a lower half is found in a chunk alone.
                    tables.class(source(address.parse().expect("an address")));
                }
            }
        }
    }
}
