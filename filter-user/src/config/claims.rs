//! No port belongs to two services for one interface and address.

use super::diagnostic::{Finding, Findings};
use super::names::quoted;
use super::policy::{Ports, Service, Transport};
use super::ports::display;
use super::services::Placed;
use std::ops::Range;

/// Further collisions are echoes of the first ones.
const SHOWN: usize = 100;

/// Reports each entry of `ports` that another one has claimed before it.
pub(super) fn check(services: &[Placed], findings: &Findings) {
    let mut claims: Vec<Claim<'_>> = Vec::new();
    for (owner, placed) in services.iter().enumerate() {
        let spans = placed.service.ports.iter().zip(&placed.port_spans);
        claims.extend(spans.map(|(ports, span)| Claim {
            owner,
            service: &placed.service,
            ports,
            span,
        }));
    }
    // A sweep by first port, TCP before UDP: open are the claims that reach this far.
    claims.sort_by_key(|c| (c.is_udp(), c.ports.first, c.span.start));
    let mut open: Vec<&Claim<'_>> = Vec::new();
    let mut found = 0;
    for claim in &claims {
        let reaches =
            |o: &&Claim<'_>| o.is_udp() == claim.is_udp() && o.ports.last >= claim.ports.first;
        open.retain(reaches);
        if let Some(other) = open.iter().find(|other| claim.meets(other)) {
            findings.push(collision(claim, other));
            found += 1;
            if found == SHOWN {
                return;
            }
        }
        open.push(claim);
    }
}

struct Claim<'a> {
    owner: usize,
    service: &'a Service,
    ports: &'a Ports,
    span: &'a Range<usize>,
}

impl Claim<'_> {
    /// QUIC is UDP.
    fn is_udp(&self) -> bool {
        self.ports.transport != Transport::Tcp
    }

    /// Whether some packet belongs to both, given that their ports overlap.
    fn meets(&self, other: &Self) -> bool {
        let (a, b) = (self.service, other.service);
        let interfaces = match (&a.interfaces, &b.interfaces) {
            (Some(a), Some(b)) => a.iter().any(|i| b.contains(i)),
            (Some(some), None) | (None, Some(some)) => !some.is_empty(),
            (None, None) => true,
        };
        let addresses = a.addresses.is_empty()
            || b.addresses.is_empty()
            || a.addresses
                .iter()
                .any(|address| b.addresses.contains(address));
        interfaces && addresses
    }
}

fn collision(one: &Claim<'_>, other: &Claim<'_>) -> Finding {
    let (first, second) = if one.span.start < other.span.start {
        (one, other)
    } else {
        (other, one)
    };
    let overlap = Ports {
        first: one.ports.first.max(other.ports.first),
        last: one.ports.last.min(other.ports.last),
        transport: if one.is_udp() {
            Transport::Udp
        } else {
            Transport::Tcp
        },
    };
    let shown = display(&overlap);
    if first.owner == second.owner {
        let message = format!(
            "{shown} is in the service {} twice",
            quoted(&first.service.name)
        );
        let quic = first.ports.transport != second.ports.transport;
        let help = quic.then(|| "a UDP port either speaks QUIC or does not".to_owned());
        return Finding::error(second.span.clone(), message)
            .also(first.span.clone(), "the first")
            .help(help);
    }
    let (a, b) = (quoted(&first.service.name), quoted(&second.service.name));
    let any = first.service.addresses.is_empty() != second.service.addresses.is_empty();
    let help = any.then(|| {
        "a service without `addresses` means every address; give both services theirs".to_owned()
    });
    Finding::error(
        second.span.clone(),
        format!("{shown} belongs to the services {a} and {b}"),
    )
    .label(format!("claimed by {b} here"))
    .also(first.span.clone(), format!("claimed by {a} here"))
    .help(help)
}
