//! Who is not banned without `--force`: whom the policy trusts, and peers that matter now. Pure.

use super::Target;
use crate::config::policy::{Policy, Sources};
use std::fmt;
use std::net::IpAddr;

/// Why a source is not banned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// In `exempt` of this service.
    Exempt(String),
    /// In `from` of `[policy.management]`.
    Management,
    /// A peer that matters now, and what it is.
    Peer(IpAddr, &'static str),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exempt(service) => write!(f, "in `exempt` of service {service}"),
            Self::Management => write!(f, "in `from` of [policy.management]"),
            Self::Peer(address, what) => write!(f, "{address} is {what}"),
        }
    }
}

/// Prepared for many questions.
#[derive(Clone, Debug, Default)]
pub struct Refusals {
    sets: Vec<(Reason, Ranges)>,
    peers: Vec<(IpAddr, &'static str)>,
}

/// First and last addresses, disjoint and sorted; all of IPv4 stands before all of IPv6.
#[derive(Clone, Debug, Default)]
struct Ranges {
    ranges: Vec<(IpAddr, IpAddr)>,
}

impl Refusals {
    /// For bans from one service, or from all; without a policy only peers count.
    pub fn new(
        policy: Option<&Policy>,
        service: Option<&str>,
        peers: Vec<(IpAddr, &'static str)>,
    ) -> Self {
        let mut sets = Vec::new();
        if let Some(policy) = policy {
            if let Some(management) = &policy.management {
                let ranges = Ranges::new(policy, &management.from);
                sets.push((Reason::Management, ranges));
            }
            let concerned = |name: &str| service.is_none_or(|service| service == name);
            for service in policy.services.iter().filter(|s| concerned(&s.name)) {
                let ranges = Ranges::new(policy, &service.exempt);
                sets.push((Reason::Exempt(service.name.clone()), ranges));
            }
        }
        Self { sets, peers }
    }

    /// Why this source is not banned, if it is not.
    pub fn find(&self, target: Target) -> Option<Reason> {
        let (first, last) = target.range();
        let set = self.sets.iter().find(|(_, set)| set.touches(first, last));
        let peer = || {
            let is_inside = |peer: &&(IpAddr, _)| (first..=last).contains(&peer.0);
            let (address, what) = self.peers.iter().find(is_inside)?;
            Some(Reason::Peer(*address, what))
        };
        set.map(|(reason, _)| reason.clone()).or_else(peer)
    }
}

impl Ranges {
    fn new(policy: &Policy, sources: &Sources) -> Self {
        let lists = || sources.lists.iter().filter_map(|n| policy.lists.get(*n));
        let v4 = lists().flat_map(|list| &list.v4).chain(&sources.v4);
        let v6 = lists().flat_map(|list| &list.v6).chain(&sources.v6);
        let v4 = v4.map(|net| (net.network().into(), net.broadcast().into()));
        let v6 = v6.map(|net| (net.network().into(), net.broadcast().into()));
        let mut all: Vec<(IpAddr, IpAddr)> = v4.chain(v6).collect();
        all.sort();
        let mut ranges: Vec<(IpAddr, IpAddr)> = Vec::new();
        for (first, last) in all {
            match ranges.last_mut() {
                // Prefixes nest or are apart; they never overlap in part.
                Some((_, end)) if *end >= first => *end = last.max(*end),
                _ => ranges.push((first, last)),
            }
        }
        Self { ranges }
    }

    fn touches(&self, first: IpAddr, last: IpAddr) -> bool {
        let behind = self.ranges.partition_point(|range| range.1 < first);
        self.ranges.get(behind).is_some_and(|range| range.0 <= last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{HostFacts, load_from};
    use std::path::Path;

    const CONFIG: &str = r#"
[[interface]]
name = "eth0"
[policy]
[policy.management]
ports = ["22/tcp"]
from = ["office"]
[prefix_list.office]
prefixes = ["203.0.113.0/24", "2001:db8:10::/48"]
[[service]]
name = "api"
ports = ["443/tcp"]
allow = ["any"]
exempt = ["198.51.100.7", "2001:db8:20::1"]
[[service]]
name = "dns"
ports = ["53/udp"]
allow = ["any"]
exempt = ["office", "198.51.100.8/31"]
"#;

    fn policy() -> Policy {
        let read = |_: &Path| Err(std::io::Error::other("no files here"));
        let host = HostFacts::default();
        let loaded = load_from(Path::new("c.toml"), CONFIG.as_bytes(), &read, &host);
        loaded.unwrap_or_else(|errors| panic!("{errors}")).policy
    }

    #[test]
    fn whom_the_policy_trusts_is_refused_for_the_services_concerned() {
        let policy = policy();
        for (text, service, expected) in [
            ("203.0.113.9", None, "management"),
            ("203.0.114.0", None, ""),
            ("203.0.112.255", None, ""),
            ("2001:db8:10:5::/64", Some("api"), "management"),
            ("198.51.100.7", None, "service api"),
            ("198.51.100.7", Some("api"), "service api"),
            ("198.51.100.7", Some("dns"), ""),
            ("198.51.100.9", None, "service dns"),
            ("198.51.100.10", None, ""),
            ("2001:db8:20::/64", None, "service api"),
            ("2001:db8:20::2", None, ""),
            ("192.0.2.53", Some("api"), "a resolver"),
            ("2001:db8:53::/64", None, "2001:db8:53::1 is a resolver"),
        ] {
            let peers =
                ["192.0.2.53", "2001:db8:53::1"].map(|p| (p.parse().unwrap(), "a resolver"));
            let refusals = Refusals::new(Some(&policy), service, peers.to_vec());
            let found = refusals.find(text.parse().unwrap());
            let found = found.map(|reason| reason.to_string()).unwrap_or_default();
            let is_right = match expected {
                "" => found.is_empty(),
                expected => found.contains(expected),
            };
            assert!(is_right, "{text} {service:?}: {found:?}");
        }
    }
}
