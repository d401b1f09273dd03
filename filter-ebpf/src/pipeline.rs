//! `decide`: the rows of the verdict table, top to bottom. The first that applies decides.

use crate::packet::Packet;
use crate::parse::{Parsed, Segment, parse};
use crate::stages::service::Opens;
use crate::stages::{access, ban, fragment, rate, reply, service};
use crate::tables::{Finding, Tables};
use filter_common::addr::Address;
use filter_common::policy::{ClassEntry, PortEntry, UNLISTED_PASS};
use filter_common::verdict::{Decision, Outcome};

/// Judges one packet. `now` is the coarse clock in nanoseconds, asked only where time matters.
#[inline(always)]
pub fn decide<P, T>(packet: &P, tables: &T, now: impl Fn() -> u64) -> Decision
where
    P: Packet + ?Sized,
    T: Tables,
{
    let decision = rows(packet, tables, now);
    // Asked last: only what would end a packet can be spared.
    if decision.drops() && (tables.fixed().settings.is_monitor != 0 || tables.is_bypassed()) {
        return decision.spared();
    }
    decision
}

#[inline(always)]
fn rows<P, T>(packet: &P, tables: &T, now: impl Fn() -> u64) -> Decision
where
    P: Packet + ?Sized,
    T: Tables,
{
    if tables.fixed().settings.interfaces >> (tables.interface() & 31) & 1 == 0 {
        return Decision::general(Outcome::NO_POLICY);
    }
    let segment = match parse(packet) {
        Parsed::NotIp => return Decision::general(Outcome::NOT_IP),
        Parsed::Malformed => return Decision::general(Outcome::MALFORMED),
        Parsed::BadFragment => return Decision::general(Outcome::FRAGMENT),
        Parsed::LaterFragment { source } => {
            return Decision::general(fragment::later(tables, source, now));
        }
        Parsed::Icmp => return Decision::general(Outcome::ICMP),
        Parsed::Other { protocol } => {
            return Decision::general(reply::other_protocol(tables, protocol));
        }
        Parsed::Segment(segment) => segment,
    };
    of_segment(packet, tables, &segment, now).unwrap_or(Decision::general(Outcome::FAULT))
}

/// TCP and UDP: the end of row 2, and rows 6 to 13. `None` is a fault.
#[inline(always)]
fn of_segment<P, T>(
    packet: &P,
    tables: &T,
    segment: &Segment,
    now: impl Fn() -> u64,
) -> Option<Decision>
where
    P: Packet + ?Sized,
    T: Tables,
{
    let port = service::port(tables.fixed(), segment);
    let listed = service::resolve(tables, port, segment)?;
    tables.tell(Finding::Listed(listed));
    if !listed.is_service() && !port.is_management() {
        return Some(Decision::general(unlisted(tables, port, segment)));
    }
    let opens = match service::opens(packet, listed, segment) {
        Opens::Known(cost) => cost,
        Opens::ShortInitial(service) => {
            return Some(service::judged(tables, service, Outcome::SERVICE_MALFORMED));
        }
        Opens::Hidden => return Some(Decision::general(Outcome::FRAGMENT)),
    };
    let service = listed.number();
    let entry = access::entry(tables, port, segment.source, service)?;
    if port.is_management() {
        if entry.has(ClassEntry::MANAGEMENT) {
            return Some(Decision::general(Outcome::MANAGEMENT));
        }
        if !listed.is_service() {
            return Some(Decision::general(unlisted(tables, port, segment)));
        }
    }
    let outcome = match refused(tables, segment.source, service, entry, &now) {
        Some(outcome) => outcome,
        None => rate::limit(tables, segment.source, service, entry, opens, now)?,
    };
    let logged = if opens.is_some() {
        service::logs_connections(tables, service)
    } else {
        0
    };
    Some(service::judged(tables, service, outcome).logged(logged))
}

/// Rows 8 to 10.
#[inline(always)]
fn refused<T: Tables>(
    tables: &T,
    source: Address,
    service: u8,
    entry: ClassEntry,
    now: impl Fn() -> u64,
) -> Option<Outcome> {
    if ban::is_banned(tables, source, service, &now) {
        Some(Outcome::BANNED)
    } else if entry.allows() {
        None
    } else if entry.has(ClassEntry::DENY) {
        Some(Outcome::DENIED)
    } else if ban::is_allowed(tables, source, service, &now) {
        None
    } else {
        Some(Outcome::NOT_ALLOWED)
    }
}

/// Row 7.
#[inline(always)]
fn unlisted<T: Tables>(tables: &T, port: PortEntry, segment: &Segment) -> Outcome {
    if tables.fixed().settings.unlisted == UNLISTED_PASS {
        return Outcome::UNLISTED_PASSED;
    }
    if reply::answers_host(tables, port, segment) {
        return Outcome::REPLY;
    }
    reply::unlisted(tables)
}
