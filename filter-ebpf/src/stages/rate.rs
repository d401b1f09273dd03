//! Rows 11 and 12: how fast one source may come.

use crate::tables::Tables;
use filter_common::addr::Address;
use filter_common::gcra::{Cost, Kind, Rate};
use filter_common::policy::{ClassEntry, PROFILES, SERVICES};
use filter_common::sources::{Bucket, hash};
use filter_common::verdict::{Note, Outcome};

/// Judges a packet that the service takes by the source's rates. `None` is a fault.
///
/// A packet over either rate costs its source nothing. So where both apply the packet rate is
/// asked first (row 11 comes before row 12) but booked last.
#[inline(always)]
pub fn limit<T: Tables>(
    tables: &T,
    source: Address,
    service: u8,
    entry: ClassEntry,
    opens: Option<Cost>,
    now: impl Fn() -> u64,
) -> Option<Outcome> {
    // An established connection, mostly: its rates are another cache line.
    if opens.is_none() && !entry.has(ClassEntry::LIMITS_PACKETS) {
        return Some(Outcome::ALLOWED);
    }
    let fixed = tables.fixed();
    let profile = &fixed.profiles[entry.profile() % PROFILES];
    let connections = opens.filter(|_| profile.connections.is_limit());
    if connections.is_none() && !profile.packets.is_limit() {
        return Some(Outcome::ALLOWED);
    }
    let settings = &fixed.services[usize::from(service) % SERVICES];
    let source = source.masked(settings.mask4, settings.upper_mask6, settings.lower_mask6);
    let bucket = Bucket {
        service,
        override_tag: profile.override_tag,
    };
    let hash = hash(tables.seed(), bucket, source);
    let now = now();
    if let Some(cost) = connections {
        if profile.packets.is_limit()
            && !tables.peek(Kind::Packet, hash, &profile.packets, Cost::Whole, now)?
        {
            return Some(Outcome::PACKET_RATE);
        }
        if !book(
            tables,
            Kind::Connection,
            hash,
            &profile.connections,
            cost,
            now,
        )? {
            return Some(Outcome::CONNECTION_RATE);
        }
    }
    if profile.packets.is_limit()
        && !book(
            tables,
            Kind::Packet,
            hash,
            &profile.packets,
            Cost::Whole,
            now,
        )?
    {
        return Some(Outcome::PACKET_RATE);
    }
    Some(Outcome::ALLOWED)
}

/// Whether the event conforms; if so it is booked. `None` is a fault.
#[inline(always)]
fn book<T: Tables>(
    tables: &T,
    kind: Kind,
    hash: u64,
    rate: &Rate,
    cost: Cost,
    now: u64,
) -> Option<bool> {
    let taken = tables.take(kind, hash, rate, cost, now)?;
    if taken.evicted {
        tables.note(Note::SourceEvicted);
    }
    if taken.contended {
        tables.note(Note::RateContended);
    }
    Some(taken.conforms)
}
