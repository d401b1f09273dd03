//! `decide`: the rows of the verdict table, top to bottom. The first that applies decides.

use crate::packet::Packet;
use crate::parse::{Parsed, Segment, parse};
use crate::stages::service::Opens;
use crate::stages::{access, ban, fragment, rate, reply, service};
use crate::tables::{Finding, Tables};
use filter_common::policy::{ClassEntry, UNLISTED_PASS};
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
    if decision.outcome.drops() && (tables.fixed().settings.is_monitor != 0 || tables.is_bypassed())
    {
        return Decision {
            outcome: decision.outcome.spared(),
            ..decision
        };
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
    let opens = match service::opens(packet, listed, segment) {
        Opens::Known(cost) => cost,
        Opens::ShortInitial(service) => {
            return Some(service::judged(tables, service, Outcome::SERVICE_MALFORMED));
        }
        Opens::Hidden => return Some(Decision::general(Outcome::FRAGMENT)),
    };
    let service = listed.service();
    if service.is_none() && !port.is_management() {
        return Some(Decision::general(unlisted(tables, port, segment)));
    }
    let entry = access::entry(tables, segment.source, service.unwrap_or(0))?;
    if port.is_management() && entry.has(ClassEntry::MANAGEMENT) {
        return Some(Decision::general(Outcome::MANAGEMENT));
    }
    let Some(service) = service else {
        return Some(Decision::general(unlisted(tables, port, segment)));
    };
    let outcome = if ban::is_banned(tables, segment.source, service, &now) {
        Outcome::BANNED
    } else if entry.has(ClassEntry::DENY) {
        Outcome::DENIED
    } else if !entry.has(ClassEntry::ALLOW)
        && !ban::is_allowed(tables, segment.source, service, &now)
    {
        Outcome::NOT_ALLOWED
    } else {
        rate::limit(tables, segment.source, service, entry, opens, now)?
    };
    Some(Decision {
        logged: u32::from(opens.is_some()) & service::logs_connections(tables, service),
        ..service::judged(tables, service, outcome)
    })
}

/// Row 7.
#[inline(always)]
fn unlisted<T: Tables>(
    tables: &T,
    port: filter_common::policy::PortEntry,
    segment: &Segment,
) -> Outcome {
    if tables.fixed().settings.unlisted == UNLISTED_PASS {
        return Outcome::UNLISTED_PASSED;
    }
    if reply::answers_host(tables, port, segment) {
        return Outcome::REPLY;
    }
    reply::unlisted(tables)
}
