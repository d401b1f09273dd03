//! Port tables, groups, addresses and settings against the policy itself.

use super::random::Random;
use super::*;
use crate::config::policy::{AttachMode, Interface, Management};
use filter_common::policy::{Fixed, UNKNOWN_INTERFACE, UNLISTED_DROP, address_slot, group_entry};
use std::net::IpAddr;

fn interfaces(count: u8) -> Vec<Interface> {
    let interface = |at| Interface {
        name: format!("eth{at}"),
        attach_mode: AttachMode::Auto,
    };
    (0..count).map(interface).collect()
}

/// Service number and QUIC, as the packet path finds them.
fn found(
    generation: &Generation,
    port: u16,
    is_udp: bool,
    interface: u32,
    to: IpAddr,
) -> Option<(u8, bool)> {
    let tables = HostTables::new(generation);
    let fixed: &Fixed = tables.fixed();
    let table = if is_udp { &fixed.udp } else { &fixed.tcp };
    let entry = match table[usize::from(port.to_be())].resolve() {
        Ok(entry) => entry,
        Err(group) => {
            let [upper, lower] = halves(to);
            let slot = address_slot(fixed, upper, lower);
            group_entry(fixed, &tables, group, interface, slot).expect("a group page")
        }
    };
    entry.service().map(|service| (service, entry.is_quic()))
}

fn halves(address: IpAddr) -> [u64; 2] {
    let address = match address {
        IpAddr::V4(address) => u128::from(address.to_ipv6_mapped()),
        IpAddr::V6(address) => u128::from(address),
    };
    [(address >> 64) as u64, address as u64]
}

/// The same from the policy.
fn expected(
    policy: &Policy,
    ids: &Ids,
    port: u16,
    is_udp: bool,
    interface: u32,
    to: IpAddr,
) -> Option<(u8, bool)> {
    for (at, service) in policy.services.iter().enumerate() {
        let slots = |all: &Vec<usize>| {
            all.iter()
                .any(|&at| u32::from(ids.interfaces[at]) == interface)
        };
        let claims: Vec<_> = service
            .ports
            .iter()
            .filter(|ports| (ports.first..=ports.last).contains(&port))
            .filter(|ports| (ports.transport != Transport::Tcp) == is_udp)
            .collect();
        if !claims.is_empty()
            && service.interfaces.as_ref().is_none_or(slots)
            && (service.addresses.is_empty() || service.addresses.contains(&to))
        {
            let is_quic = claims
                .iter()
                .any(|ports| ports.transport == Transport::Quic);
            return Some((ids.services[at], is_quic));
        }
    }
    None
}

#[test]
fn random_services_own_the_ports_that_they_name() {
    let mut random = Random(21);
    for _ in 0..30 {
        let mut policy = empty_policy();
        policy.interfaces = interfaces(3);
        let addresses: Vec<IpAddr> = (0..6)
            .map(|at| match at % 2 {
                0 => IpAddr::V4((random.next() as u32).into()),
                _ => IpAddr::V6(random.key().into()),
            })
            .collect();
        for at in 0..1 + random.below(20) {
            let mut service = service(&format!("service{at}"), 0);
            service.ports = (0..1 + random.below(3))
                .map(|_| {
                    let first = random.below(40) as u16;
                    let transports = [Transport::Tcp, Transport::Udp, Transport::Quic];
                    ports(
                        first,
                        first + random.below(10) as u16,
                        transports[random.below(3) as usize],
                    )
                })
                .collect();
            // Services overlap here, which validation refuses; the first one wins, unless it
            // is found without a group.
            service.interfaces = Some((0..3).filter(|_| random.below(2) == 0).collect());
            if random.below(2) == 0 {
                service.addresses = addresses
                    .iter()
                    .copied()
                    .filter(|_| random.below(2) == 0)
                    .collect();
            }
            policy.services.push(service);
        }
        let ids = Ids {
            services: (0..64).rev().take(policy.services.len()).collect(),
            interfaces: vec![9, 0, 15],
        };
        let generation = compile(&policy, &ids).expect("within capacity");
        let others = [IpAddr::V4(1.into()), IpAddr::V6(0.into())];
        for port in 0..52 {
            for interface in [0, 1, 9, 15, UNKNOWN_INTERFACE] {
                for &to in addresses.iter().chain(&others) {
                    for is_udp in [false, true] {
                        assert_eq!(
                            found(&generation, port, is_udp, interface, to),
                            expected(&policy, &ids, port, is_udp, interface, to),
                            "{port} {is_udp} {interface} {to}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn an_unlimited_service_owns_its_port_everywhere() {
    let mut policy = empty_policy();
    let mut service = service("api", 443);
    service.ports.push(ports(443, 443, Transport::Quic));
    service.ports.push(ports(0, 0, Transport::Udp));
    service.ports.push(ports(65_535, 65_535, Transport::Udp));
    policy.services.push(service);
    let generation = in_order(&policy);
    let to = IpAddr::V4(1.into());
    assert_eq!(generation.summary.groups, 0);
    for interface in [0, UNKNOWN_INTERFACE, 31] {
        assert_eq!(
            found(&generation, 443, false, interface, to),
            Some((0, false))
        );
        assert_eq!(
            found(&generation, 443, true, interface, to),
            Some((0, true))
        );
        assert_eq!(found(&generation, 0, true, interface, to), Some((0, false)));
        assert_eq!(
            found(&generation, 65_535, true, interface, to),
            Some((0, false))
        );
        assert_eq!(found(&generation, 444, true, interface, to), None);
    }
}

#[test]
fn management_and_reply_ports_are_marked() {
    let mut policy = empty_policy();
    policy.services.push(service("ssh", 22));
    policy.management = Some(Management {
        ports: vec![
            ports(22, 23, Transport::Tcp),
            ports(161, 161, Transport::Udp),
        ],
        from: of_lists(&[]),
    });
    policy.reply_ports = vec![
        ports(123, 123, Transport::Udp),
        ports(22, 22, Transport::Tcp),
    ];
    let fixed = in_order(&policy).fixed;
    let marks = |port: u16| {
        let at = usize::from(port.to_be());
        let (tcp, udp) = (fixed.tcp[at], fixed.udp[at]);
        [
            tcp.is_management(),
            udp.is_management(),
            tcp.is_reply(),
            udp.is_reply(),
        ]
    };
    for port in 0..=u16::MAX {
        let expected = match port {
            22 => [true, false, true, false],
            23 => [true, false, false, false],
            161 => [false, true, false, false],
            68 | 123 | 546 => [false, false, false, true],
            _ => [false; 4],
        };
        assert_eq!(marks(port), expected, "{port}");
    }
    let entry = fixed.tcp[usize::from(22_u16.to_be())];
    assert_eq!(entry.resolve().expect("no group").service(), Some(0));
}

#[test]
fn addresses_are_kept_apart_by_the_hash() {
    let mut random = Random(23);
    for round in 0..20_u32 {
        let mut policy = empty_policy();
        policy.services.push(service("api", 443));
        // Neighbours, and addresses that differ in their highest or lowest bits alone.
        let address = |at: u32| match (round + at) % 4 {
            0 => IpAddr::V4((0x0a00_0000 + at).into()),
            1 => IpAddr::V6((0x2001_0db8 << 96 | u128::from(at)).into()),
            2 => IpAddr::V6((0x2001_0db8 << 96 | u128::from(at) << 64).into()),
            _ => IpAddr::V6((u128::from(at) << 122 | 1).into()),
        };
        policy.services[0].addresses = (0..64).map(address).collect();
        let fixed = in_order(&policy).fixed;
        assert_eq!(fixed.settings.has_addresses, 1);
        for (slot, &address) in (1..).zip(&policy.services[0].addresses) {
            let [upper, lower] = halves(address);
            assert_eq!(address_slot(&fixed, upper, lower), slot);
        }
        for _ in 0..1_000 {
            assert_eq!(address_slot(&fixed, random.next(), random.next()), 0);
        }
        assert_eq!(address_slot(&fixed, 0, 0), 0);
    }
}

#[test]
fn settings_follow_the_policy() {
    let mut policy = empty_policy();
    policy.interfaces = interfaces(2);
    policy.mode = Mode::Monitor;
    policy.unlisted_ports = Unlisted::Drop;
    policy.protocols = vec![0, 50, 112, 255];
    policy.services.push(service("plain", 1));
    policy.services.push(service("limited", 2));
    policy.services[1].mode = Mode::Monitor;
    policy.services[1].rate_limit = Some(RateLimit {
        source_prefix_ipv4: 24,
        source_prefix_ipv6: 56,
        ..rate_limit(1.0)
    });
    let ids = Ids {
        services: vec![3, 63],
        interfaces: vec![15, 2],
    };
    let fixed = compile(&policy, &ids).expect("within capacity").fixed;
    let settings = &fixed.settings;
    assert_eq!(
        settings.interfaces,
        1 << 15 | 1 << 2 | 1 << UNKNOWN_INTERFACE
    );
    assert_eq!((settings.is_monitor, settings.unlisted), (1, UNLISTED_DROP));
    assert_eq!(settings.protocols, [1 | 1 << 50, 1 << 48, 0, 1 << 63]);
    assert_eq!(settings.has_addresses, 0);
    let plain = &fixed.services[3];
    assert_eq!(
        (plain.mask4, plain.upper_mask6, plain.lower_mask6),
        (u32::MAX, u64::MAX, u64::MAX)
    );
    let limited = &fixed.services[63];
    assert_eq!(
        (limited.mask4, limited.upper_mask6, limited.lower_mask6),
        (!0 << 8, !0 << 8, 0)
    );
    assert_eq!((plain.is_monitor, limited.is_monitor), (0, 1));
}
