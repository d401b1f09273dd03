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
    let address = match (fixed.settings.has_addresses, segment.destination) {
        (0, _) => 0,
        (_, Address::V4(address)) => address_slot(fixed, 0, MAPPED | u64::from(address)),
        (_, Address::V6 { upper, lower }) => address_slot(fixed, upper, lower),
    };
    group_entry(fixed, tables, group, tables.interface(), address)
}

/// What opening a connection costs, if the segment does. An error names the service whose
/// `quic` port got an Initial too short to be one (row 2).
#[inline(always)]
pub fn opens<P: Packet + ?Sized>(
    packet: &P,
    entry: GroupEntry,
    segment: &Segment,
) -> Result<Option<Cost>, u8> {
    match segment.transport {
        Transport::Tcp { opens: true } => Ok(Some(Cost::Whole)),
        Transport::Tcp { opens: false } => Ok(None),
        Transport::Udp {
            payload,
            payload_length,
            end,
        } => {
            let Some(service) = entry.service().filter(|_| entry.is_quic()) else {
                return Ok(None);
            };
            match quic::classify(packet, payload, payload_length, end) {
                Quic::Other => Ok(None),
                Quic::Initial => Ok(Some(Cost::Quarter)),
                Quic::ShortInitial => Err(service),
            }
        }
    }
}

/// A service's outcome, spared where the service is in monitor mode.
#[inline(always)]
pub fn judged<T: Tables>(tables: &T, service: u8, outcome: Outcome) -> Decision {
    let is_monitor = tables.fixed().services[usize::from(service) % SERVICES].is_monitor != 0;
    let outcome = if is_monitor {
        outcome.spared()
    } else {
        outcome
    };
    Decision { outcome, service }
}
