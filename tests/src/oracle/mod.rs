//! The naive oracle: the contract's verdict table, read from the configuration's own values by
//! linear scan, with clocks in nanoseconds. It shares no code with what it judges: no table, no
//! parser, no rate arithmetic.

mod parse;

use filter_user::config::policy::{
    Mode, Policy, Ports, Rate, Service, Sources, Transport, Unlisted,
};
use parse::{Carried, Datagram};
use std::collections::HashMap;
use std::net::IpAddr;

/// What a packet meets beside the policy.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// Index into `Policy::interfaces`; `None` for an interface that the daemon has not named.
    pub interface: Option<usize>,
    /// Nanoseconds.
    pub now_ns: u64,
    /// Address, prefix length, service (`None`: all), expiry in nanoseconds.
    pub bans: Vec<(IpAddr, u8, Option<usize>, u64)>,
    /// The same.
    pub allows: Vec<(IpAddr, u8, Option<usize>, u64)>,
    /// Whether everything passes.
    pub is_bypassed: bool,
    /// TCP sockets that do not listen, by the ends that a packet to them has.
    pub tcp: Vec<Flow>,
    /// UDP sockets that are connected, likewise.
    pub udp: Vec<Flow>,
    /// Ports of UDP sockets that are not.
    pub udp_ports: Vec<u16>,
}

/// Address and port of the sender, then of the host.
pub type Flow = (IpAddr, u16, IpAddr, u16);

/// What a host's own sockets are given of themselves.
const EPHEMERAL: std::ops::RangeInclusive<u16> = 32_768..=60_999;

/// What should become of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The metric's label.
    pub reason: &'static str,
    /// pass, drop or would_drop.
    pub action: &'static str,
    /// Index into `Policy::services`.
    pub service: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Connection,
    Packet,
}

/// What a rate is counted by: service, kind, override, source prefix.
type Bucket = (usize, Kind, Option<usize>, bool, u128);

/// The state of all sources: theoretical arrival times in nanoseconds.
#[derive(Debug, Default)]
pub struct Oracle {
    arrivals: HashMap<Bucket, u128>,
}

struct Judged {
    reason: &'static str,
    drops: bool,
    spared: bool,
    service: Option<usize>,
}

fn general(reason: &'static str, drops: bool) -> Judged {
    Judged {
        reason,
        drops,
        spared: false,
        service: None,
    }
}

impl Oracle {
    /// Judges a frame.
    pub fn judge(&mut self, policy: &Policy, context: &Context, frame: &[u8]) -> Verdict {
        let judged = self.rows(policy, context, frame);
        let spared = judged.spared || policy.mode == Mode::Monitor || context.is_bypassed;
        let action = match (judged.drops, spared) {
            (false, _) => "pass",
            (true, false) => "drop",
            (true, true) => "would_drop",
        };
        Verdict {
            reason: judged.reason,
            action,
            service: judged.service,
        }
    }

    fn rows(&mut self, policy: &Policy, context: &Context, frame: &[u8]) -> Judged {
        let datagram = match parse::parse(frame) {
            Carried::NotIp => return general("not_ip", false),
            Carried::Malformed => return general("malformed", true),
            Carried::BadFragment => return general("fragment", true),
            Carried::LaterFragment(source) => return later_fragment(policy, context, source),
            Carried::Icmp => return general("icmp", false),
            Carried::Other(protocol) => {
                return match policy.unlisted_ports {
                    Unlisted::Pass => general("unlisted_port", false),
                    _ if policy.protocols.contains(&protocol) => general("reply", false),
                    _ => unlisted(policy),
                };
            }
            Carried::Datagram(datagram) => datagram,
        };
        let found = policy
            .services
            .iter()
            .position(|service| lists(service, context, &datagram));
        let quic = !datagram.is_tcp
            && found.is_some_and(|at| {
                let ports = &policy.services[at].ports;
                ports
                    .iter()
                    .any(|p| p.transport == Transport::Quic && within(p, datagram.port))
            });
        if quic && datagram.quic_hidden {
            return general("fragment", true);
        }
        let initial = quic && datagram.quic_initial;
        if let Some(service) = found.filter(|_| initial && datagram.payload_length < 1200) {
            return of_service(policy, service, "malformed", true);
        }
        if let Some(management) = &policy.management {
            let port = management.ports.iter().any(|p| claims(p, &datagram));
            if port && contains(policy, &management.from, datagram.source) {
                return general("management", false);
            }
        }
        let Some(at) = found else {
            return unlisted_segment(policy, context, &datagram);
        };
        let service = &policy.services[at];
        if is_listed(&context.bans, context, datagram.source, at) {
            return of_service(policy, at, "banned", true);
        }
        if contains(policy, &service.deny, datagram.source) {
            return of_service(policy, at, "denied", true);
        }
        if !contains(policy, &service.allow, datagram.source)
            && !is_listed(&context.allows, context, datagram.source, at)
        {
            return of_service(policy, at, "not_allowed", true);
        }
        // Quarters of a connection.
        let opens = match (datagram.is_syn, initial) {
            (true, _) => 4,
            (_, true) => 1,
            _ => 0,
        };
        match self.rates(policy, at, context.now_ns, datagram.source, opens) {
            Some(reason) => of_service(policy, at, reason, true),
            None => of_service(policy, at, "allowed", false),
        }
    }

    /// Which rate refuses the packet, if one does. A refused packet costs nothing.
    fn rates(
        &mut self,
        policy: &Policy,
        at: usize,
        now_ns: u64,
        source: IpAddr,
        opens: u128,
    ) -> Option<&'static str> {
        let service = &policy.services[at];
        let limit = service.rate_limit.as_ref()?;
        if contains(policy, &service.exempt, source) {
            return None;
        }
        let best = limit
            .overrides
            .iter()
            .enumerate()
            .filter_map(|(n, over)| Some((longest(policy, &over.sources, source)?, n)))
            .max();
        let over = best.map(|(_, n)| n);
        let given = over.map(|n| &limit.overrides[n]);
        let connections = given.and_then(|o| o.connections).or(limit.connections);
        let packets = given.and_then(|o| o.packets).or(limit.packets);
        let masked = match source {
            IpAddr::V4(a) => u128::from(a.to_bits()) >> (32 - limit.source_prefix_ipv4),
            IpAddr::V6(a) => a.to_bits() >> (128 - u32::from(limit.source_prefix_ipv6)),
        };
        let bucket = |kind| (at, kind, over, source.is_ipv4(), masked);
        let now = u128::from(now_ns);
        let connection = connections.filter(|_| opens > 0);
        let next_packet = packets.map(|rate| self.next(bucket(Kind::Packet), rate, now, 4));
        let next_connection =
            connection.map(|rate| self.next(bucket(Kind::Connection), rate, now, opens));
        if next_packet == Some(None) {
            return Some("packet_rate");
        }
        if next_connection == Some(None) {
            return Some("connection_rate");
        }
        if let Some(Some(arrival)) = next_packet {
            self.arrivals.insert(bucket(Kind::Packet), arrival);
        }
        if let Some(Some(arrival)) = next_connection {
            self.arrivals.insert(bucket(Kind::Connection), arrival);
        }
        None
    }

    /// The arrival time after one more event of so many quarters, if it conforms.
    fn next(&self, bucket: Bucket, rate: Rate, now: u128, quarters: u128) -> Option<u128> {
        let interval = (1e9 / rate.per_second).round() as u128;
        let arrival = self.arrivals.get(&bucket).copied().unwrap_or(0).max(now);
        let next = arrival + interval * quarters / 4;
        let reach = (rate.burst * interval as f64).round() as u128;
        (next - now <= reach).then_some(next)
    }
}

fn of_service(policy: &Policy, at: usize, reason: &'static str, drops: bool) -> Judged {
    let spared = policy.services[at].mode == Mode::Monitor;
    Judged {
        reason,
        drops,
        spared,
        service: Some(at),
    }
}

fn unlisted(policy: &Policy) -> Judged {
    let spared = policy.unlisted_ports == Unlisted::Monitor;
    Judged {
        spared,
        ..general("unlisted_port", policy.unlisted_ports != Unlisted::Pass)
    }
}

/// Row 7.
fn unlisted_segment(policy: &Policy, context: &Context, datagram: &Datagram) -> Judged {
    if policy.unlisted_ports == Unlisted::Pass {
        return unlisted(policy);
    }
    let flow = (
        datagram.source,
        datagram.source_port,
        datagram.destination,
        datagram.port,
    );
    let asked_for = match datagram.is_tcp {
        true => context.tcp.contains(&flow),
        false => {
            let anyones = EPHEMERAL.contains(&datagram.port);
            context.udp.contains(&flow) || anyones && context.udp_ports.contains(&datagram.port)
        }
    };
    let named = policy.reply_ports.iter().any(|p| claims(p, datagram));
    let dhcp = !datagram.is_tcp && (datagram.port == 68 || datagram.port == 546);
    if (named || dhcp || asked_for) && !datagram.is_syn {
        general("reply", false)
    } else {
        unlisted(policy)
    }
}

fn later_fragment(policy: &Policy, context: &Context, source: IpAddr) -> Judged {
    let banned_from_all = context
        .bans
        .iter()
        .any(|(address, length, service, expiry)| {
            service.is_none() && *expiry > context.now_ns && covers(*address, *length, source)
        });
    if banned_from_all {
        return general("fragment", true);
    }
    if policy.unlisted_ports == Unlisted::Pass {
        return general("fragment", false);
    }
    let by_service = policy.services.iter().any(|service| {
        contains(policy, &service.allow, source) && !contains(policy, &service.deny, source)
    });
    let by_management = policy
        .management
        .as_ref()
        .is_some_and(|m| contains(policy, &m.from, source));
    let by_exception = context.allows.iter().any(|(address, length, _, expiry)| {
        *expiry > context.now_ns && covers(*address, *length, source)
    });
    if by_service || by_management || by_exception {
        return general("fragment", false);
    }
    let spared = policy.unlisted_ports == Unlisted::Monitor;
    Judged {
        spared,
        ..general("fragment", true)
    }
}

/// Whether a ban or timed allow holds for the service.
fn is_listed(
    entries: &[(IpAddr, u8, Option<usize>, u64)],
    context: &Context,
    source: IpAddr,
    at: usize,
) -> bool {
    entries.iter().any(|(address, length, service, expiry)| {
        service.is_none_or(|service| service == at)
            && *expiry > context.now_ns
            && covers(*address, *length, source)
    })
}

fn lists(service: &Service, context: &Context, datagram: &Datagram) -> bool {
    let here = match (&service.interfaces, context.interface) {
        (None, _) => true,
        (Some(names), Some(interface)) => names.contains(&interface),
        (Some(_), None) => false,
    };
    let to_it = service.addresses.is_empty() || service.addresses.contains(&datagram.destination);
    here && to_it && service.ports.iter().any(|ports| claims(ports, datagram))
}

fn claims(ports: &Ports, datagram: &Datagram) -> bool {
    (ports.transport == Transport::Tcp) == datagram.is_tcp && within(ports, datagram.port)
}

fn within(ports: &Ports, port: u16) -> bool {
    ports.first <= port && port <= ports.last
}

fn contains(policy: &Policy, sources: &Sources, address: IpAddr) -> bool {
    longest(policy, sources, address).is_some()
}

/// Length of the most specific prefix that has the address.
fn longest(policy: &Policy, sources: &Sources, address: IpAddr) -> Option<u8> {
    let lists = sources
        .lists
        .iter()
        .map(|at| (&policy.lists[*at].v4, &policy.lists[*at].v6));
    let sets = lists.chain([(&sources.v4, &sources.v6)]);
    let mut best = None;
    for (v4, v6) in sets {
        let v4 = v4
            .iter()
            .map(|net| (IpAddr::V4(net.network()), net.prefix_len()));
        let v6 = v6
            .iter()
            .map(|net| (IpAddr::V6(net.network()), net.prefix_len()));
        for (network, length) in v4.chain(v6) {
            if covers(network, length, address) {
                best = best.max(Some(length));
            }
        }
    }
    best
}

fn covers(network: IpAddr, length: u8, address: IpAddr) -> bool {
    let length = u32::from(length);
    match (network, address) {
        (IpAddr::V4(n), IpAddr::V4(a)) => {
            length == 0 || (n.to_bits() ^ a.to_bits()) >> (32 - length) == 0
        }
        (IpAddr::V6(n), IpAddr::V6(a)) => {
            length == 0 || (n.to_bits() ^ a.to_bits()) >> (128 - length) == 0
        }
        _ => false,
    }
}
