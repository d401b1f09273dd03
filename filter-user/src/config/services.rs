//! `[[service]]`: ports and who may reach them.

use super::diagnostic::{Finding, Findings};
use super::file::{self, Text, Texts};
use super::names::{complaint_about_service, quoted};
use super::overrides;
use super::policy::{Mode, Ports, RateLimit, Service, Transport};
use super::rates;
use super::sources::Names;
use super::validate::{given, ports, refuse_empty};
use serde_spanned::Spanned;
use std::collections::HashSet;
use std::net::IpAddr;
use std::ops::Range;

const MAX_ADDRESSES: usize = 64;
const ANY: &str = "opening to everyone is written allow = [\"any\"]";

/// A service with the places of its ports, which may collide with those of another.
pub(super) struct Placed {
    pub service: Service,
    /// Parallel to `service.ports`.
    pub port_spans: Vec<Range<usize>>,
}

/// Every service, in the order of the configuration.
pub(super) fn read(typed: &[file::Service], names: Names<'_>) -> Vec<Placed> {
    let mut lists = overrides::Lists::new(names.lists);
    let mut addresses = HashSet::new();
    let mut services = Vec::new();
    for (index, service) in typed.iter().enumerate() {
        name(
            service,
            typed.get(..index).unwrap_or_default(),
            names.findings,
        );
        services.push(read_one(service, &mut addresses, &mut lists, names));
    }
    services
}

fn read_one(
    typed: &file::Service,
    all_addresses: &mut HashSet<IpAddr>,
    lists: &mut overrides::Lists<'_>,
    names: Names<'_>,
) -> Placed {
    let findings = names.findings;
    let example = "for example ports = [\"443/tcp\"]";
    refuse_empty("ports", typed.ports.as_ref(), example, findings);
    refuse_empty("allow", typed.allow.as_ref(), ANY, findings);
    let ports = ports(typed.ports.as_ref(), findings);
    let limit = typed.rate_limit.as_ref();
    let rate_limit = limit.map(|limit| rate_limit(limit, lists, names));
    if let Some(limit) = limit {
        refuse_unconnected(limit, &ports, findings);
    }
    let name = typed.name.as_ref();
    let service = Service {
        name: name.map_or_else(String::new, |name| name.get_ref().clone()),
        interfaces: interfaces(typed.interfaces.as_ref(), names),
        addresses: addresses(typed.addresses.as_ref(), all_addresses, findings),
        mode: given(&typed.mode, Mode::Enforce),
        allow: names.sources(typed.allow.as_ref()),
        deny: names.sources(typed.deny.as_ref()),
        exempt: names.sources(typed.exempt.as_ref()),
        log_connections: given(&typed.log_connections, false),
        rate_limit,
        line: typed.line,
        ports: ports.iter().map(|(_, ports)| *ports).collect(),
    };
    Placed {
        service,
        port_spans: ports.iter().map(|(text, _)| text.span()).collect(),
    }
}

fn name(service: &file::Service, before: &[file::Service], findings: &Findings) {
    let Some(text) = &service.name else {
        return;
    };
    let shown = quoted(text.get_ref());
    let mut earlier = before.iter().filter_map(|s| s.name.as_ref());
    if let Some(complaint) = complaint_about_service(text.get_ref()) {
        let message = format!("a service cannot be named {shown}");
        findings.push(Finding::error(text.span(), message).help(complaint.to_owned()));
    } else if let Some(first) = earlier.find(|name| name.get_ref() == text.get_ref()) {
        let finding = Finding::error(text.span(), format!("two services named {shown}"));
        findings.push(finding.also(first.span(), "the first"));
    }
}

fn interfaces(texts: Option<&Texts>, names: Names<'_>) -> Option<Vec<usize>> {
    let help = "leave it out to mean every interface";
    refuse_empty("interfaces", texts, help, names.findings);
    let mut found = Vec::new();
    for text in texts?.get_ref() {
        match names.interface(text) {
            Some(index) if !found.contains(&index) => found.push(index),
            _ => {}
        }
    }
    Some(found)
}

fn addresses(texts: Option<&Texts>, all: &mut HashSet<IpAddr>, findings: &Findings) -> Vec<IpAddr> {
    let help = "leave it out to mean any address";
    refuse_empty("addresses", texts, help, findings);
    let mut found = Vec::new();
    for text in texts.into_iter().flat_map(|texts| texts.get_ref()) {
        let Some(address) = address(text, findings) else {
            continue;
        };
        if found.contains(&address) {
            let message = format!("{address} is there twice");
            findings.push(Finding::error(text.span(), message));
            continue;
        }
        found.push(address);
        if all.insert(address) && all.len() == MAX_ADDRESSES + 1 {
            let message = format!("more than {MAX_ADDRESSES} distinct service addresses");
            findings.push(Finding::error(text.span(), message));
        }
    }
    found
}

fn address(text: &Text, findings: &Findings) -> Option<IpAddr> {
    let refuse = |message: String, help: Option<String>| {
        findings.push(Finding::error(text.span(), message).help(help));
        None
    };
    let Ok(address) = text.get_ref().parse::<IpAddr>() else {
        let prefix = text.get_ref().contains('/');
        let help = "a service means single addresses of this host, without a prefix length";
        let help = prefix.then(|| help.to_owned());
        return refuse(
            format!("{} is not an address", quoted(text.get_ref())),
            help,
        );
    };
    if let IpAddr::V6(v6) = address
        && let Some(v4) = v6.to_ipv4_mapped()
    {
        let message = format!("{address} is IPv4-mapped; such packets do not occur on the wire");
        return refuse(message, Some(format!("write {v4}")));
    }
    if address.is_unspecified() {
        let help = "to mean any address, leave `addresses` out";
        return refuse(
            format!("{address} is no host's address"),
            Some(help.to_owned()),
        );
    }
    Some(address)
}

fn rate_limit(
    typed: &file::RateLimit,
    lists: &mut overrides::Lists<'_>,
    names: Names<'_>,
) -> RateLimit {
    let findings = names.findings;
    let prefix = |length: &Option<Spanned<u32>>, default: u8| {
        u8::try_from(given(length, default.into())).unwrap_or(default)
    };
    let (connections, packets) = rates::read(&typed.rates, findings);
    let limit = RateLimit {
        connections,
        packets,
        source_prefix_ipv4: prefix(&typed.source_prefix_ipv4, 32),
        source_prefix_ipv6: prefix(&typed.source_prefix_ipv6, 64),
        overrides: overrides::read(&typed.overrides, names),
    };
    if !rates::names_any(&typed.rates) && typed.overrides.is_empty() {
        let message = "a rate limit without a rate";
        let help = "write connections_per_second or packets_per_second, or leave it out";
        findings.push(Finding::error(typed.span.clone(), message).help(help.to_owned()));
    }
    overrides::check(typed, &limit, lists, names);
    limit
}

/// A connection is a SYN or a QUIC Initial; plain UDP has neither.
fn refuse_unconnected(limit: &file::RateLimit, ports: &[(&Text, Ports)], findings: &Findings) {
    let plain_udp = |(_, ports): &(&Text, Ports)| ports.transport == Transport::Udp;
    if ports.is_empty() || !ports.iter().all(plain_udp) {
        return;
    }
    let overrides = limit.overrides.iter().map(|o| &o.rates);
    let rates = std::iter::once(&limit.rates).chain(overrides);
    for rate in rates.filter_map(|rates| rates.connections_per_second.as_ref()) {
        let message = "a connection rate on a service that has only UDP ports";
        let help = "UDP has no connections: use packets_per_second, or \"…/quic\" if QUIC is \
                    spoken there";
        findings.push(Finding::error(rate.span(), message).help(help.to_owned()));
    }
}
