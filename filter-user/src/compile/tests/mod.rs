//! The compiler against naive oracles: linear scans over the policy, which share no code with it.

mod capacity;
mod classes;
mod crowded;
mod oracle;
mod ports;
mod prefixes;
mod random;
mod shapes;
mod uniform;

use super::{Generation, HostTables, Ids, compile};
use crate::config::policy::{
    Daemon, LogFormat, Mode, Policy, PrefixList, Rate, RateLimit, Service, Sources, StatusPage,
    Transport, Unlisted,
};
use ipnet::{Ipv4Net, Ipv6Net};

/// A policy that says nothing.
fn empty_policy() -> Policy {
    Policy {
        daemon: Daemon {
            metrics_listen: ([127, 0, 0, 1], 9477).into(),
            status_page: StatusPage::Loopback,
            status_page_hosts: Vec::new(),
            pin_path: "/sys/fs/bpf/edge-filter".into(),
            state_directory: "/var/lib/edge-filter".into(),
            control_socket: "/run/edge-filter/control.sock".into(),
            log_format: LogFormat::Text,
            tracked_sources: 1_000_000,
            events_per_second: 100,
        },
        interfaces: Vec::new(),
        mode: Mode::Enforce,
        unlisted_ports: Unlisted::Pass,
        protocols: Vec::new(),
        reply_ports: Vec::new(),
        management: None,
        lists: Vec::new(),
        services: Vec::new(),
    }
}

fn list(name: &str, v4: Vec<Ipv4Net>, v6: Vec<Ipv6Net>) -> PrefixList {
    PrefixList {
        name: name.into(),
        v4,
        v6,
        file: None,
        max_shrink_percent: 50,
        line: 1,
    }
}

fn service(name: &str, port: u16) -> Service {
    Service {
        name: name.into(),
        ports: vec![ports(port, port, Transport::Tcp)],
        interfaces: None,
        addresses: Vec::new(),
        mode: Mode::Enforce,
        allow: Sources::default(),
        deny: Sources::default(),
        exempt: Sources::default(),
        log_connections: false,
        rate_limit: None,
        line: 1,
    }
}

const fn ports(first: u16, last: u16, transport: Transport) -> crate::config::policy::Ports {
    crate::config::policy::Ports {
        first,
        last,
        transport,
    }
}

const fn rate_limit(per_second: f64) -> RateLimit {
    RateLimit {
        connections: Some(Rate {
            per_second,
            burst: 40.0,
        }),
        packets: None,
        source_prefix_ipv4: 32,
        source_prefix_ipv6: 64,
        overrides: Vec::new(),
    }
}

fn of_lists(lists: &[usize]) -> Sources {
    Sources {
        lists: lists.to_vec(),
        ..Sources::default()
    }
}

fn in_order(policy: &Policy) -> Generation {
    compile(policy, &Ids::in_order(policy)).expect("within capacity")
}

fn v4(text: &str) -> Ipv4Net {
    text.parse().expect("an IPv4 prefix")
}

fn v6(text: &str) -> Ipv6Net {
    text.parse().expect("an IPv6 prefix")
}
