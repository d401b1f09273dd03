//! Which service a port belongs to: the port tables, and groups where interface or address
//! decide.

use super::addresses::Addresses;
use super::error::CompileError;
use super::{Ids, pages};
use crate::config::policy::{Policy, Ports, Service, Transport};
use filter_common::policy::{
    ADDRESSES, Fixed, GROUPS, Group, GroupEntry, GroupPage, INTERFACES, Page, PortEntry,
};
use std::collections::HashMap;

/// DHCP clients are answered from any server (RFC 2131 s. 4.1, RFC 9915 s. 7.2).
const DHCP_CLIENT_PORTS: [u16; 2] = [68, 546];

/// Which services claim a port: index into `Policy::services`, and whether they speak QUIC.
type Claims = Vec<(usize, bool)>;

/// Writes both port tables; the groups by number.
pub(super) fn write(
    policy: &Policy,
    ids: &Ids,
    addresses: &Addresses,
    fixed: &mut Fixed,
) -> Result<Vec<Group>, CompileError> {
    let mut groups = Groups {
        policy,
        ids,
        addresses,
        groups: Vec::new(),
        numbers: HashMap::new(),
    };
    groups.write_table(false, &mut fixed.tcp)?;
    groups.write_table(true, &mut fixed.udp)?;
    if let Some(management) = &policy.management {
        for (table, is_udp) in [(&mut fixed.tcp, false), (&mut fixed.udp, true)] {
            mark(table, &management.ports, is_udp, PortEntry::with_management);
        }
    }
    for (table, is_udp) in [(&mut fixed.tcp, false), (&mut fixed.udp, true)] {
        mark(table, &policy.reply_ports, is_udp, PortEntry::with_reply);
    }
    for port in DHCP_CLIENT_PORTS {
        let entry = &mut fixed.udp[usize::from(port.to_be())];
        *entry = entry.with_reply();
    }
    Ok(groups.groups)
}

/// Appends the groups' pages.
pub(super) fn write_groups(
    groups: &[Group],
    pages: &mut Vec<Box<Page>>,
) -> Result<(), CompileError> {
    for groups in groups.chunks(size_of::<Page>() / size_of::<Group>()) {
        let mut page = pages::zeroed()?;
        let rows: &mut GroupPage = zerocopy::transmute_mut!(&mut *page);
        rows[..groups.len()].copy_from_slice(groups);
        pages.push(page);
    }
    Ok(())
}

const fn is_udp(transport: Transport) -> bool {
    matches!(transport, Transport::Udp | Transport::Quic)
}

fn mark(
    table: &mut [PortEntry; 1 << 16],
    ports: &[Ports],
    wants_udp: bool,
    with: fn(PortEntry) -> PortEntry,
) {
    for ports in ports
        .iter()
        .filter(|ports| is_udp(ports.transport) == wants_udp)
    {
        for port in ports.first..=ports.last {
            let entry = &mut table[usize::from(port.to_be())];
            *entry = with(*entry);
        }
    }
}

struct Groups<'a> {
    policy: &'a Policy,
    ids: &'a Ids,
    addresses: &'a Addresses,
    groups: Vec<Group>,
    numbers: HashMap<Group, u16>,
}

impl Groups<'_> {
    fn write_table(
        &mut self,
        wants_udp: bool,
        table: &mut [PortEntry; 1 << 16],
    ) -> Result<(), CompileError> {
        // Ports with equal claims share them: all have a number, 0 for none.
        let mut claims: Vec<Claims> = vec![Vec::new()];
        let mut numbers: HashMap<Claims, u32> = HashMap::from([(Vec::new(), 0)]);
        let mut of_port = vec![0_u32; 1 << 16];
        for (at, service) in self.policy.services.iter().enumerate() {
            let mut steps: HashMap<(u32, bool), u32> = HashMap::new();
            let transport = |ports: &&Ports| is_udp(ports.transport) == wants_udp;
            for ports in service.ports.iter().filter(transport) {
                let is_quic = ports.transport == Transport::Quic;
                for port in ports.first..=ports.last {
                    let number = &mut of_port[usize::from(port)];
                    *number = *steps.entry((*number, is_quic)).or_insert_with(|| {
                        let wanted = claim(&claims[*number as usize], at, is_quic);
                        *numbers.entry(wanted.clone()).or_insert_with(|| {
                            claims.push(wanted);
                            claims.len() as u32 - 1
                        })
                    });
                }
            }
        }
        let mut entries: Vec<Option<PortEntry>> = vec![None; claims.len()];
        for (port, number) in (0..=u16::MAX).zip(of_port) {
            let entry = &mut entries[number as usize];
            let entry = match entry {
                Some(entry) => *entry,
                None => *entry.insert(self.entry(&claims[number as usize])?),
            };
            table[usize::from(port.to_be())] = entry;
        }
        Ok(())
    }

    fn entry(&mut self, claims: &Claims) -> Result<PortEntry, CompileError> {
        let Some(&(first, is_quic)) = claims.first() else {
            return Ok(PortEntry::UNLISTED);
        };
        if !is_limited(&self.policy.services[first]) {
            let number = self.ids.services[first];
            return Ok(PortEntry::service(GroupEntry::new(number, is_quic)));
        }
        let group = self.group(claims);
        let next = self.groups.len();
        let number = *self.numbers.entry(group).or_insert(next as u16);
        if usize::from(number) == next {
            if next == GROUPS {
                let limited = self
                    .policy
                    .services
                    .iter()
                    .filter(|service| is_limited(service));
                return Err(CompileError::Groups {
                    services: limited.map(|service| service.name.clone()).collect(),
                });
            }
            self.groups.push(group);
        }
        Ok(PortEntry::group(number))
    }

    fn group(&self, claims: &Claims) -> Group {
        let mut group = [[GroupEntry::UNLISTED; 2 * ADDRESSES]; 2 * INTERFACES];
        // Claims do not overlap; if they did, the first service would have the port.
        for &(at, is_quic) in claims.iter().rev() {
            let service = &self.policy.services[at];
            let entry = GroupEntry::new(self.ids.services[at], is_quic);
            let mut write = |slot: usize| {
                if service.addresses.is_empty() {
                    group[slot][..=ADDRESSES].fill(entry);
                } else {
                    for address in self.addresses.slots(service) {
                        group[slot][address] = entry;
                    }
                }
            };
            match &service.interfaces {
                None => (0..2 * INTERFACES).for_each(write),
                Some(interfaces) => interfaces
                    .iter()
                    .for_each(|&at| write(usize::from(self.ids.interfaces[at]))),
            }
        }
        group
    }
}

/// The claims with one more; a service that names a port as UDP and as QUIC speaks QUIC.
fn claim(claims: &Claims, at: usize, is_quic: bool) -> Claims {
    let mut claims = claims.clone();
    match claims.last_mut() {
        Some((last, quic)) if *last == at => *quic |= is_quic,
        _ => claims.push((at, is_quic)),
    }
    claims
}

const fn is_limited(service: &Service) -> bool {
    service.interfaces.is_some() || !service.addresses.is_empty()
}
