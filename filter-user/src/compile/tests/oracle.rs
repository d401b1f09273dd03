//! What a policy says about a source, by a linear scan over its prefixes.

use crate::compile::{HostTables, Ids};
use crate::config::policy::{Policy, Rate, Service, Sources};
use filter_common::addr::Address;
use filter_common::gcra::{self, Kind};
use filter_common::policy::{ClassEntry, class_entry};
use std::net::IpAddr;

/// What a service says about a source.
#[derive(Debug, PartialEq)]
pub(super) struct Said {
    is_allowed: bool,
    is_denied: bool,
    is_management: bool,
    is_any_allowed: bool,
    connections: gcra::Rate,
    packets: gcra::Rate,
    /// Whether the rates are an override's.
    is_override: bool,
}

/// Length of the longest prefix of the set that holds the address.
fn longest(policy: &Policy, sources: &Sources, address: IpAddr) -> Option<u8> {
    let lists = sources.lists.iter().map(|&at| &policy.lists[at]);
    match address {
        IpAddr::V4(address) => {
            let listed = lists.flat_map(|list| &list.v4).chain(&sources.v4);
            listed
                .filter(|prefix| prefix.contains(&address))
                .map(|prefix| prefix.prefix_len())
                .max()
        }
        IpAddr::V6(address) => {
            let listed = lists.flat_map(|list| &list.v6).chain(&sources.v6);
            listed
                .filter(|prefix| prefix.contains(&address))
                .map(|prefix| prefix.prefix_len())
                .max()
        }
    }
}

fn gcra(kind: Kind, rate: Option<Rate>) -> gcra::Rate {
    rate.map_or(gcra::Rate::NONE, |rate| {
        gcra::Rate::new(kind, rate.per_second, rate.burst).expect("a rate that can be kept")
    })
}

/// What the policy says about a source.
pub(super) fn said(policy: &Policy, service: &Service, address: IpAddr) -> Said {
    let is_in = |sources: &Sources| longest(policy, sources, address).is_some();
    let is_management = policy
        .management
        .as_ref()
        .is_some_and(|other| is_in(&other.from));
    let allows = |other: &Service| is_in(&other.allow) && !is_in(&other.deny);
    let mut rates = (None, None, false);
    if let Some(limit) = &service.rate_limit
        && !is_in(&service.exempt)
    {
        rates = (limit.connections, limit.packets, false);
        let found = limit
            .overrides
            .iter()
            .filter_map(|other| Some((longest(policy, &other.sources, address)?, other)));
        if let Some((_, other)) = found.max_by_key(|(length, _)| *length) {
            rates.0 = other.connections.or(limit.connections);
            rates.1 = other.packets.or(limit.packets);
            rates.2 = true;
        }
    }
    Said {
        is_allowed: is_in(&service.allow),
        is_denied: is_in(&service.deny),
        is_management,
        is_any_allowed: is_management || policy.services.iter().any(allows),
        connections: gcra(Kind::Connection, rates.0),
        packets: gcra(Kind::Packet, rates.1),
        is_override: rates.2,
    }
}

/// What the tables say about a source.
pub(super) fn found(tables: &HostTables<'_>, number: u8, address: IpAddr) -> Said {
    let class = tables.class(source(address)).expect("a well-formed table");
    let entry = class_entry(tables.fixed(), tables, class, number).expect("a class page");
    let profile = tables.fixed().profiles[entry.profile()];
    assert_eq!(
        entry.has(ClassEntry::LIMITS_PACKETS),
        profile.packets.is_limit()
    );
    Said {
        is_allowed: entry.has(ClassEntry::ALLOW),
        is_denied: entry.has(ClassEntry::DENY),
        is_management: entry.has(ClassEntry::MANAGEMENT),
        is_any_allowed: entry.has(ClassEntry::ANY_ALLOWS),
        connections: profile.connections,
        packets: profile.packets,
        is_override: profile.override_tag != 0,
    }
}

pub(super) fn source(address: IpAddr) -> Address {
    match address {
        IpAddr::V4(address) => Address::V4(address.into()),
        IpAddr::V6(address) => {
            let address = u128::from(address);
            Address::V6 {
                upper: (address >> 64) as u64,
                lower: address as u64,
            }
        }
    }
}

/// All services of a policy, at one address.
pub(super) fn check(policy: &Policy, ids: &Ids, tables: &HostTables<'_>, address: IpAddr) {
    for (service, &number) in policy.services.iter().zip(&ids.services) {
        let expected = said(policy, service, address);
        let found = found(tables, number, address);
        assert_eq!(found, expected, "{address} and service {}", service.name);
    }
}
