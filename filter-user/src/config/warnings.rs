//! What is valid and still not what was meant, given the host it is for.

use super::diagnostic::{Finding, Findings};
use super::file::Config;
use super::host::HostFacts;
use super::names::quoted;
use super::policy::{Policy, Ports, Service, Transport, Unlisted};
use super::ports::{display, parse_ports};
use super::protocols::{is_ipv6_extension, parse_protocol};
use std::collections::BTreeSet;

/// Adds what is to be said; a bridge with its member is an error.
pub(super) fn find(config: &Config, policy: &Policy, host: &HostFacts, findings: &Findings) {
    members_with_their_master(config, host, findings);
    open_on_other_interfaces(config, policy, findings);
    in_ephemeral_range(config, policy, host, findings);
    drop_while_forwarding(config, host, findings);
    looked_through(config, findings);
}

fn members_with_their_master(config: &Config, host: &HostFacts, findings: &Findings) {
    let names: Vec<_> = config
        .interfaces
        .iter()
        .filter_map(|i| i.name.as_ref())
        .collect();
    for member in &names {
        // A bond in a bridge: each of them sees the packet. Sixteen deep is no real host.
        let mut above = member.get_ref();
        for _ in 0..16 {
            let Some(master) = host.masters.get(above) else {
                break;
            };
            if let Some(configured) = names.iter().find(|name| name.get_ref() == master) {
                let (member_name, master) = (quoted(member.get_ref()), quoted(master));
                let message = format!("{member_name} is a member of {master}");
                let finding = Finding::error(member.span(), message)
                    .label("a packet would be judged twice")
                    .also(configured.span(), "and here again")
                    .help("name either the members or what they belong to".to_owned());
                findings.push(finding);
                break;
            }
            above = master;
        }
    }
}

fn open_on_other_interfaces(config: &Config, policy: &Policy, findings: &Findings) {
    let word = match policy.unlisted_ports {
        Unlisted::Pass => "pass",
        Unlisted::Monitor => "monitor",
        Unlisted::Drop => return,
    };
    for (typed, service) in config.services.iter().zip(&policy.services) {
        let (Some(texts), Some(limited_to)) = (&typed.interfaces, &service.interfaces) else {
            continue;
        };
        let others = policy.interfaces.iter().enumerate();
        let open: Vec<&str> = others
            .filter(|(other, _)| !limited_to.contains(other))
            .filter(|(other, _)| !covered(service, *other, &policy.services))
            .map(|(_, interface)| interface.name.as_str())
            .collect();
        if !limited_to.is_empty() && !open.is_empty() {
            let message = format!(
                "the ports of {} stay open on {}",
                quoted(&service.name),
                open.join(", ")
            );
            let help = "nothing filters them there: leave `interfaces` out, add a service for \
                        those interfaces, or set unlisted_ports = \"drop\"";
            let finding = Finding::warning(texts.span(), message)
                .label(format!("unlisted_ports is \"{word}\""))
                .help(help.to_owned());
            findings.push(finding);
        }
    }
}

/// Whether a service means every address that another one means.
fn means(other: &Service, service: &Service) -> bool {
    let has = |address| other.addresses.contains(address);
    other.addresses.is_empty() || !service.addresses.is_empty() && service.addresses.iter().all(has)
}

/// Whether every port of the service belongs to some service on the interface.
fn covered(service: &Service, interface: usize, services: &[Service]) -> bool {
    let there = services.iter().filter(|other| {
        let on = other.interfaces.as_ref();
        on.is_none_or(|interfaces| interfaces.contains(&interface)) && means(other, service)
    });
    let ports: Vec<Ports> = there
        .flat_map(|other| other.ports.iter().copied())
        .collect();
    service.ports.iter().all(|wanted| {
        let is_udp = |p: &Ports| p.transport != Transport::Tcp;
        let mut ports: Vec<&Ports> = ports
            .iter()
            .filter(|p| is_udp(p) == is_udp(wanted))
            .collect();
        ports.sort_by_key(|p| p.first);
        let mut next = u32::from(wanted.first);
        for ports in ports {
            if u32::from(ports.first) <= next {
                next = next.max(u32::from(ports.last) + 1);
            }
        }
        next > u32::from(wanted.last)
    })
}

fn in_ephemeral_range(config: &Config, policy: &Policy, host: &HostFacts, findings: &Findings) {
    let unreserved = |ports: &Ports| -> Vec<u16> {
        let ephemeral = (*host.ephemeral_ports.start()).max(ports.first)
            ..=(*host.ephemeral_ports.end()).min(ports.last);
        let reserved = |port: &u16| host.reserved_ports.iter().any(|r| r.contains(port));
        ephemeral.filter(|port| !reserved(port)).collect()
    };
    // The setting is one line for all of them, and may be a long one: said once.
    let mut all: BTreeSet<u16> = BTreeSet::new();
    for ports in policy.services.iter().flat_map(|s| &s.ports) {
        all.extend(unreserved(ports));
    }
    if all.is_empty() {
        return;
    }
    all.extend(host.reserved_ports.iter().cloned().flatten());
    let none_left = host.ephemeral_ports.clone().all(|port| all.contains(&port));
    let help: String = if none_left {
        "name fewer ports: reserving all of these would leave the host none to connect from".into()
    } else {
        format!(
            "keep the host from connecting from them:\nnet.ipv4.ip_local_reserved_ports = {}",
            ranges(&all)
        )
    };
    let mut help = Some(help);
    let typed = config.services.iter().filter_map(|s| s.ports.as_ref());
    for text in typed.flat_map(|texts| texts.get_ref()) {
        let Ok(ports) = parse_ports(text.get_ref()) else {
            continue;
        };
        if unreserved(&ports).is_empty() {
            continue;
        }
        let (first, last) = host.ephemeral_ports.clone().into_inner();
        let message = format!(
            "{} reaches into the host's ephemeral ports, {first}-{last}",
            display(&ports)
        );
        let finding = Finding::warning(text.span(), message)
            .label(
                "answers to the host's own connections would be judged as this service's packets",
            )
            .help(help.take());
        findings.push(finding);
    }
}

/// `8080,9000-9010`.
fn ranges(ports: &BTreeSet<u16>) -> String {
    let mut ranges: Vec<(u16, u16)> = Vec::new();
    for &port in ports {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == port => *last = port,
            _ => ranges.push((port, port)),
        }
    }
    let shown = ranges.iter().map(|(first, last)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    });
    shown.collect::<Vec<_>>().join(",")
}

fn drop_while_forwarding(config: &Config, host: &HostFacts, findings: &Findings) {
    if !host.forwarding {
        return;
    }
    if let Some(unlisted) = &config.policy.unlisted_ports
        && *unlisted.get_ref() == Unlisted::Drop
    {
        let message = "this host forwards (net.ipv4.ip_forward or net.ipv6.conf.all.forwarding)";
        let help = "answers to what it forwards or translates, as for containers, have no socket \
                    on the host and would be dropped: such a host needs unlisted_ports = \"pass\"";
        let finding = Finding::warning(unlisted.span(), message);
        findings.push(finding.help(help.to_owned()));
    }
}

fn looked_through(config: &Config, findings: &Findings) {
    let texts = config
        .policy
        .protocols
        .iter()
        .flat_map(|texts| texts.get_ref());
    for text in texts {
        if !parse_protocol(text.get_ref()).is_ok_and(is_ipv6_extension) {
            continue;
        }
        let name = quoted(text.get_ref());
        let message = format!("over IPv6 {name} is an extension header, which is looked through");
        let help = "what follows it decides there, and nothing does behind a message of hip, shim6 or \
                    Mobile IPv6: those are of protocol 59 (no next header)";
        let finding = Finding::warning(text.span(), message);
        findings.push(
            finding
                .label("passes over IPv4 alone")
                .help(help.to_owned()),
        );
    }
}
