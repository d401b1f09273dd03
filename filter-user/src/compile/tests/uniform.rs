//! What a service says about every source, against each of its classes.

use super::classes::{all_probes, random_policies};
use super::oracle::source;
use super::random::Random;
use super::*;
use crate::config::policy::{AttachMode, Interface, Management, Override};
use filter_common::policy::{ClassEntry, PortEntry, class_entry};
use std::collections::HashSet;
use std::net::IpAddr;

/// What each family's sources at these addresses are told by a service, as they are looked up.
fn looked_up(generation: &Generation, number: u8, probes: &[IpAddr]) -> [HashSet<ClassEntry>; 2] {
    let tables = HostTables::new(generation);
    let entry = |address: &IpAddr| {
        let class = tables.class(source(*address)).expect("a table");
        let entry = class_entry(tables.fixed(), &tables, class, number).expect("a page");
        entry.without(ClassEntry::MANAGEMENT | ClassEntry::ANY_ALLOWS)
    };
    let (v4, v6): (Vec<_>, Vec<_>) = probes.iter().partition(|address| address.is_ipv4());
    [v4, v6].map(|probes| probes.into_iter().map(entry).collect())
}

#[test]
fn what_holds_for_all_is_what_each_would_be_told() {
    let mut random = Random(31);
    let (mut same, mut differing) = (0, 0);
    for mut policy in random_policies(&mut random, 60) {
        for service in &mut policy.services {
            if random.below(2) == 0 {
                service.allow.v4.push(v4("0.0.0.0/0"));
                service.allow.v6.push(v6("::/0"));
            }
        }
        let generation = in_order(&policy);
        let mut probes = all_probes(&policy, &mut random);
        probes.extend([IpAddr::V4(0.into()), IpAddr::V6(0.into())]);
        for number in 0..policy.services.len() as u8 {
            let uniform = generation.fixed.services[usize::from(number)].uniform;
            let told = looked_up(&generation, number, &probes);
            for (uniform, told) in uniform.into_iter().zip(told) {
                let only = match told.len() {
                    1 => told.into_iter().next().expect("one"),
                    _ => ClassEntry::NONE,
                };
                assert_eq!(uniform, only, "service {number}");
                if only == ClassEntry::NONE {
                    differing += 1;
                } else {
                    same += 1;
                }
            }
        }
    }
    assert!(same > 20 && differing > 20, "{same} and {differing}");
}

/// A service that is open to anybody, on a port of its own.
fn open_policy() -> Policy {
    let mut policy = empty_policy();
    let mut open = service("open", 443);
    open.ports.push(ports(443, 443, Transport::Quic));
    open.allow = Sources {
        v4: vec![v4("0.0.0.0/0")],
        v6: vec![v6("::/0")],
        ..Sources::default()
    };
    open.rate_limit = Some(rate_limit(20.0));
    policy.services.push(open);
    policy
}

fn entries(policy: &Policy) -> [bool; 2] {
    let uniform = in_order(policy).fixed.services[0].uniform;
    uniform.map(|entry| entry != ClassEntry::NONE)
}

#[test]
fn one_source_that_is_told_something_else_is_enough() {
    let mut policy = open_policy();
    assert_eq!(entries(&policy), [true; 2]);
    policy.services[0].deny.v4.push(v4("192.0.2.1/32"));
    assert_eq!(entries(&policy), [false, true]);

    let mut policy = open_policy();
    policy.services[0].exempt.v6.push(v6("2001:db8::1/128"));
    assert_eq!(entries(&policy), [true, false]);

    let mut policy = open_policy();
    let slower = Override {
        sources: Sources {
            v4: vec![v4("192.0.2.0/24")],
            ..Sources::default()
        },
        connections: rate_limit(1.0).connections,
        packets: None,
    };
    let limit = policy.services[0].rate_limit.as_mut().expect("a rate");
    limit.overrides.push(slower);
    assert_eq!(entries(&policy), [false, true]);

    let mut policy = open_policy();
    policy.services[0].allow.v6 = vec![v6("::/1"), v6("8000::/2"), v6("c000::/2")];
    assert_eq!(entries(&policy), [true; 2]);
    policy.services[0].allow.v6.pop();
    assert_eq!(entries(&policy), [true, false]);

    // A service that nobody may reach says nothing, and is looked up.
    let mut policy = empty_policy();
    policy.services.push(service("closed", 443));
    assert_eq!(entries(&policy), [false; 2]);
}

#[test]
fn other_services_and_management_do_not_matter() {
    let mut policy = open_policy();
    let mut other = service("other", 8443);
    other.allow.v4.push(v4("198.51.100.0/24"));
    other.deny.v6.push(v6("2001:db8::/32"));
    policy.services.push(other);
    policy.management = Some(Management {
        ports: vec![ports(22, 22, Transport::Tcp)],
        from: Sources {
            v4: vec![v4("192.0.2.0/24")],
            ..Sources::default()
        },
    });
    let generation = in_order(&policy);
    let [v4, v6] = generation.fixed.services[0].uniform;
    assert_eq!(v4, v6);
    assert!(v4.has(ClassEntry::ALLOW) && v4.profile() != 0);
    assert!(!v4.has(ClassEntry::MANAGEMENT) && !v4.has(ClassEntry::ANY_ALLOWS));
    assert_eq!(generation.fixed.services[1].uniform, [ClassEntry::NONE; 2]);
}

const NO_PORTS: Vec<u16> = Vec::new();

/// Ports that are marked for IPv4, and for IPv6.
fn marked(table: &[PortEntry; 1 << 16]) -> [Vec<u16>; 2] {
    [PortEntry::is_uniform_v4, PortEntry::is_uniform_v6].map(|is_marked| {
        let is_marked = |port: &u16| is_marked(table[usize::from(port.to_be())]);
        (0..=u16::MAX).filter(is_marked).collect()
    })
}

#[test]
fn ports_are_marked_but_for_those_that_must_know_more() {
    let mut policy = open_policy();
    let mut other = service("other", 8443);
    other.allow.v4.push(v4("198.51.100.0/24"));
    policy.services.push(other);
    policy.services[0].ports.push(ports(22, 23, Transport::Tcp));
    policy.services[0].ports.push(ports(53, 53, Transport::Udp));
    policy.reply_ports = vec![ports(53, 53, Transport::Udp)];
    policy.management = Some(Management {
        ports: vec![ports(22, 22, Transport::Tcp)],
        from: Sources::default(),
    });
    let fixed = in_order(&policy).fixed;
    assert_eq!(marked(&fixed.tcp), [vec![23, 443], vec![23, 443]]);
    assert_eq!(marked(&fixed.udp), [vec![53, 443], vec![53, 443]]);
    let entry = fixed.udp[usize::from(53_u16.to_be())];
    assert!(entry.is_reply());
    assert_eq!(entry.resolve().expect("no group").service(), Some(0));

    // Of the family alone where all are told the same.
    policy.services[0].deny.v4.push(v4("192.0.2.1/32"));
    let fixed = in_order(&policy).fixed;
    assert_eq!(marked(&fixed.tcp), [NO_PORTS, vec![23, 443]]);
    policy.services[0].deny.v6.push(v6("2001:db8::/32"));
    policy.services[0].deny.v4.clear();
    let fixed = in_order(&policy).fixed;
    assert_eq!(marked(&fixed.tcp), [vec![23, 443], NO_PORTS]);
    policy.services[0].deny.v6.clear();

    // Where the interface decides whose port it is, the mark has no room.
    policy.interfaces = vec![Interface {
        name: "eth0".into(),
        attach_mode: AttachMode::Auto,
    }];
    policy.services[0].interfaces = Some(vec![0]);
    let fixed = in_order(&policy).fixed;
    assert_eq!(marked(&fixed.tcp), [NO_PORTS, NO_PORTS]);
    assert_eq!(marked(&fixed.udp), [NO_PORTS, NO_PORTS]);
}
