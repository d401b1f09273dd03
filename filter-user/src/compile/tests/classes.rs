//! Classes of random policies against a linear scan.

use super::oracle::check;
use super::random::{Random, net4};
use super::*;
use crate::config::policy::{Management, Override};
use filter_common::addr::Address;
use filter_common::policy::{ClassEntry, class_entry};
use std::net::IpAddr;

/// Several services over a few lists that overlap.
fn random_policy(random: &mut Random) -> Policy {
    let mut policy = empty_policy();
    for at in 0..1 + random.below(6) {
        let v4 = (0..random.below(12))
            .map(|_| random.crowded_v4(4))
            .collect();
        let v6 = (0..random.below(12))
            .map(|_| random.crowded_v6(3))
            .collect();
        policy.lists.push(list(&format!("list{at}"), v4, v6));
    }
    for at in 0..1 + random.below(5) {
        let mut service = service(&format!("service{at}"), 1000 + at as u16);
        service.allow = random_sources(random, policy.lists.len(), 3);
        service.deny = random_sources(random, policy.lists.len(), 1);
        service.exempt = random_sources(random, policy.lists.len(), 1);
        if random.below(4) > 0 {
            service.rate_limit = Some(random_limit(random, policy.lists.len()));
        }
        policy.services.push(service);
    }
    if random.below(2) == 0 {
        policy.management = Some(Management {
            ports: vec![ports(22, 22, Transport::Tcp)],
            from: random_sources(random, policy.lists.len(), 2),
        });
    }
    policy
}

fn random_sources(random: &mut Random, lists: usize, most: u64) -> Sources {
    let mut sources = Sources::default();
    for _ in 0..random.below(most + 1) {
        match random.below(3) {
            0 => sources.lists.push(random.below(lists as u64) as usize),
            1 => sources.v4.push(random.crowded_v4(4)),
            _ => sources.v6.push(random.crowded_v6(3)),
        }
    }
    sources
}

fn random_limit(random: &mut Random, lists: usize) -> RateLimit {
    let mut limit = rate_limit(1.0 + random.below(3) as f64);
    if random.below(2) == 0 {
        limit.connections = None;
    }
    if random.below(2) == 0 {
        limit.packets = Some(Rate {
            per_second: 50_000.0,
            burst: 100_000.0,
        });
    }
    // One prefix is in one override only, as validation has it: none repeats.
    let mut seen4 = std::collections::HashSet::new();
    let mut seen6 = std::collections::HashSet::new();
    let list = random.below(lists as u64 + 1) as usize;
    for at in 0..random.below(4) {
        let mut sources = Sources::default();
        sources.v4.extend((0..3).map(|_| random.crowded_v4(4)));
        sources.v6.extend((0..3).map(|_| random.crowded_v6(3)));
        sources.v4.retain(|prefix| seen4.insert(*prefix));
        sources.v6.retain(|prefix| seen6.insert(*prefix));
        if at == 0 && list < lists && random.below(2) == 0 {
            sources = of_lists(&[list]);
        }
        let rate = |per_second, burst| Some(Rate { per_second, burst });
        limit.overrides.push(Override {
            sources,
            connections: rate(100.0 + at as f64, 200.0).filter(|_| at % 2 == 0),
            packets: rate(7_000.0 + at as f64, 9_000.0).filter(|_| at > 1),
        });
    }
    limit
}

/// Whether one prefix is in two overrides of a service, which validation refuses.
fn has_ambiguous_override(policy: &Policy) -> bool {
    let limits = policy
        .services
        .iter()
        .filter_map(|service| service.rate_limit.as_ref());
    limits.into_iter().any(|limit| {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for other in &limit.overrides {
            let (mut own4, mut own6) = (other.sources.v4.clone(), other.sources.v6.clone());
            for &list in &other.sources.lists {
                own4.extend(&policy.lists[list].v4);
                own6.extend(&policy.lists[list].v6);
            }
            if own4.iter().any(|prefix| v4.contains(prefix))
                || own6.iter().any(|prefix| v6.contains(prefix))
            {
                return true;
            }
            v4.extend(own4);
            v6.extend(own6);
        }
        false
    })
}

pub(super) fn all_probes(policy: &Policy, random: &mut Random) -> Vec<IpAddr> {
    let mut probes: Vec<IpAddr> = Vec::new();
    let mut sources: Vec<&Sources> = Vec::new();
    for service in &policy.services {
        sources.extend([&service.allow, &service.deny, &service.exempt]);
        let overrides = service.rate_limit.iter().flat_map(|limit| &limit.overrides);
        sources.extend(overrides.map(|other| &other.sources));
    }
    sources.extend(policy.management.iter().map(|management| &management.from));
    let in_place4 = sources.iter().flat_map(|sources| &sources.v4);
    let in_place6 = sources.iter().flat_map(|sources| &sources.v6);
    for prefix in policy
        .lists
        .iter()
        .flat_map(|list| &list.v4)
        .chain(in_place4)
    {
        let (first, last) = (u32::from(prefix.network()), u32::from(prefix.broadcast()));
        for address in [
            first,
            last,
            first.wrapping_sub(1),
            last.wrapping_add(1),
            random.next() as u32,
        ] {
            probes.push(IpAddr::V4(address.into()));
        }
    }
    for prefix in policy
        .lists
        .iter()
        .flat_map(|list| &list.v6)
        .chain(in_place6)
    {
        let (first, last) = (u128::from(prefix.network()), u128::from(prefix.broadcast()));
        for address in [
            first,
            last,
            first.wrapping_sub(1),
            last.wrapping_add(1),
            random.key(),
        ] {
            probes.push(IpAddr::V6(address.into()));
        }
    }
    probes
}

/// So many that validation would take.
pub(super) fn random_policies(random: &mut Random, count: usize) -> Vec<Policy> {
    let policies = std::iter::repeat_with(|| random_policy(random));
    let policies = policies.filter(|policy| !has_ambiguous_override(policy));
    policies.take(count).collect()
}

#[test]
fn random_policies_say_what_a_linear_scan_says() {
    let mut random = Random(5);
    for policy in random_policies(&mut random, 60) {
        // Numbers that are not the order, to 63.
        let numbers = (0..policy.services.len()).map(|at| 63 - 7 * at as u8);
        let ids = Ids {
            services: numbers.collect(),
            interfaces: Vec::new(),
        };
        let generation = compile(&policy, &ids).expect("within capacity");
        let tables = HostTables::new(&generation);
        for address in all_probes(&policy, &mut random) {
            check(&policy, &ids, &tables, address);
        }
    }
}

#[test]
fn every_combination_of_nested_lists_is_a_class() {
    let mut policy = empty_policy();
    // Each list has a prefix inside those networks whose number has the list's bit. As many as
    // make several pages of classes, and more steps than the sweep remembers.
    const LISTS: u8 = 14;
    const NETWORKS: u32 = 1 << LISTS;
    for bit in 0..LISTS {
        let members = (0..NETWORKS).filter(|at| at >> bit & 1 == 1);
        let v4 = members.map(|at| net4(at << 14, 18 + bit)).collect();
        let list = list(&format!("list{bit}"), v4, Vec::new());
        policy.lists.push(list);
        let mut service = service(&format!("service{bit}"), bit.into());
        service.allow = of_lists(&[bit.into()]);
        policy.services.push(service);
    }
    let generation = in_order(&policy);
    assert_eq!(generation.summary.classes, NETWORKS as usize);
    let tables = HostTables::new(&generation);
    for at in 0..NETWORKS {
        let class = tables.class(Address::V4(at << 14)).expect("a table");
        for bit in 0..LISTS {
            let entry = class_entry(tables.fixed(), &tables, class, bit).expect("a page");
            assert_eq!(
                entry.has(ClassEntry::ALLOW),
                at >> bit & 1 == 1,
                "{at}, {bit}"
            );
        }
    }
}

#[test]
fn an_override_keeps_its_tag_when_another_is_added() {
    let mut policy = empty_policy();
    policy
        .lists
        .push(list("partners", vec![v4("10.0.0.0/8")], Vec::new()));
    policy.services.push(service("api", 443));
    let other = |sources| Override {
        sources,
        connections: Some(Rate {
            per_second: 5.0,
            burst: 5.0,
        }),
        packets: None,
    };
    let mut limit = rate_limit(20.0);
    limit.overrides.push(other(of_lists(&[0])));
    policy.services[0].rate_limit = Some(limit.clone());
    let before = in_order(&policy).fixed.profiles[2];
    let in_place = Sources {
        v4: vec![v4("192.0.2.0/24")],
        ..Sources::default()
    };
    limit.overrides.insert(0, other(in_place));
    policy.services[0].rate_limit = Some(limit);
    let generation = in_order(&policy);
    assert_ne!(before.override_tag, 0);
    assert_eq!(generation.fixed.profiles[3], before);
    assert_ne!(
        generation.fixed.profiles[2].override_tag,
        before.override_tag
    );
    let rate = &generation.summary.rates[0];
    assert_eq!((rate.service, rate.override_index), (0, None));
    assert!((rate.connections_per_second.expect("a limit") - 20.0).abs() < 0.1);
}
