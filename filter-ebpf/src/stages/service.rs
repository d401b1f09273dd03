//! Which service a segment is for, and whether it opens a connection there.

use crate::packet::Packet;
use crate::parse::quic::{self, Quic};
use crate::parse::{Segment, Transport};
use crate::tables::Tables;
use filter_common::addr::Address;
use filter_common::gcra::Cost;
use filter_common::policy::{Fixed, GroupEntry, PortEntry, SERVICES, address_slot, group_entry};
use filter_common::verdict::{Decision, Outcome};

/// Upper half of the lower 64 bits of an IPv4-mapped address (RFC 4291 s. 2.5.5.2).
const MAPPED: u64 = 0xffff_0000_0000;

/// The entry of the segment's port.
#[inline(always)]
pub fn port(fixed: &Fixed, segment: &Segment) -> PortEntry {
    let ports = match segment.transport {
        Transport::Tcp { .. } => &fixed.tcp,
        Transport::Udp { .. } => &fixed.udp,
    };
    ports[usize::from(segment.port)]
}

/// The service that lists the port on this interface for this address. `None` is a fault.
#[inline(always)]
pub fn resolve<T: Tables>(tables: &T, port: PortEntry, segment: &Segment) -> Option<GroupEntry> {
    let group = match port.resolve() {
        Ok(entry) => return Some(entry),
        Err(group) => group,
    };
    let fixed = tables.fixed();
    let address = match (fixed.settings.has_addresses, segment.destination()) {
        (0, _) => 0,
        (_, Address::V4(address)) => address_slot(fixed, 0, MAPPED | u64::from(address)),
        (_, Address::V6 { upper, lower }) => address_slot(fixed, upper, lower),
    };
    group_entry(fixed, tables, group, tables.interface(), address)
}

/// Whether a segment opens a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opens {
    /// What that costs, if it does.
    Known(Option<Cost>),
    /// An Initial too short to be one, on a `quic` port of this service (row 2).
    ShortInitial(u8),
    /// A fragment that hides it (row 3).
    Hidden,
}

/// Looks at the transport header, and on a `quic` port at what follows.
#[inline(always)]
pub fn opens<P: Packet + ?Sized>(packet: &P, entry: GroupEntry, segment: &Segment) -> Opens {
    match segment.transport {
        Transport::Tcp { opens } => Opens::Known(opens),
        Transport::Udp {
            payload,
            payload_length,
            end,
        } => {
            let Some(service) = entry.service().filter(|_| entry.is_quic()) else {
                return Opens::Known(None);
            };
            match quic::classify(packet, payload, payload_length, end) {
                Quic::Other => Opens::Known(None),
                Quic::Initial => Opens::Known(Some(Cost::Quarter)),
                Quic::ShortInitial => Opens::ShortInitial(service),
                Quic::Hidden => Opens::Hidden,
            }
        }
    }
}

/// A service's outcome, spared where the service is in monitor mode.
#[inline(always)]
pub fn judged<T: Tables>(tables: &T, service: u8, outcome: Outcome) -> Decision {
    let settings = || &tables.fixed().services[usize::from(service) % SERVICES];
    // Asked only of what would end: what passes need not read it.
    let outcome = if outcome.drops() && settings().is_monitor != 0 {
        outcome.spared()
    } else {
        outcome
    };
    Decision::of_service(outcome, service)
}

/// 1 for a service that logs the new connections that it takes.
#[inline(always)]
pub fn logs_connections<T: Tables>(tables: &T, service: u8) -> u32 {
    tables.fixed().services[usize::from(service) % SERVICES].logs_connections
}
