//! What a policy comes to, for `check`: as text and, through serde, as JSON.

use super::policy::{Mode, Policy, Rate, RateLimit, Service, Sources, Unlisted};
use super::ports::display;
use filter_common::gcra;
use ipnet::{Ipv4Net, Ipv6Net};
use serde::Serialize;
use std::fmt;

/// A policy in brief.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Names of the interfaces.
    pub interfaces: Vec<String>,
    /// `enforce` or `monitor`.
    pub mode: &'static str,
    /// `pass`, `monitor` or `drop`.
    pub unlisted_ports: &'static str,
    /// Prefix lists, as they are and after aggregation.
    pub lists: Vec<ListSummary>,
    /// Services, in the order of the configuration.
    pub services: Vec<ServiceSummary>,
}

/// A prefix list in numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ListSummary {
    /// Its name.
    pub name: String,
    /// IPv4 prefixes as written.
    pub ipv4: usize,
    /// What is left of them once nested and adjacent ones are one.
    pub ipv4_aggregated: usize,
    /// IPv6 prefixes as written.
    pub ipv6: usize,
    /// What is left of them once nested and adjacent ones are one.
    pub ipv6_aggregated: usize,
}

/// A service in brief.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServiceSummary {
    /// Its name.
    pub name: String,
    /// `443/tcp`.
    pub ports: Vec<String>,
    /// `enforce`, or `monitor` if its own mode or the policy's is that.
    pub mode: &'static str,
    /// Names of lists and prefixes.
    pub allow: Vec<String>,
    /// Rates of the service, then of its overrides.
    pub rates: Vec<RateSummary>,
}

/// A rate and what is enforced of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RateSummary {
    /// `connections` or `packets`.
    pub kind: &'static str,
    /// Whom it is for; empty for the service's own.
    pub sources: Vec<String>,
    /// As configured.
    pub per_second: f64,
    /// As configured or by default.
    pub burst: f64,
    /// What is enforced.
    pub effective_per_second: f64,
}

impl Summary {
    /// Aggregates each list: a moment for a million prefixes.
    pub fn new(policy: &Policy) -> Self {
        Self {
            interfaces: policy.interfaces.iter().map(|i| i.name.clone()).collect(),
            mode: mode(policy.mode),
            unlisted_ports: match policy.unlisted_ports {
                Unlisted::Pass => "pass",
                Unlisted::Monitor => "monitor",
                Unlisted::Drop => "drop",
            },
            lists: policy
                .lists
                .iter()
                .map(|list| ListSummary {
                    name: list.name.clone(),
                    ipv4: list.v4.len(),
                    ipv4_aggregated: Ipv4Net::aggregate(&list.v4).len(),
                    ipv6: list.v6.len(),
                    ipv6_aggregated: Ipv6Net::aggregate(&list.v6).len(),
                })
                .collect(),
            services: policy
                .services
                .iter()
                .map(|service| ServiceSummary::new(service, policy))
                .collect(),
        }
    }
}

impl ServiceSummary {
    fn new(service: &Service, policy: &Policy) -> Self {
        let limit = service.rate_limit.iter();
        Self {
            name: service.name.clone(),
            ports: service.ports.iter().map(display).collect(),
            mode: match policy.mode {
                Mode::Monitor => mode(Mode::Monitor),
                Mode::Enforce => mode(service.mode),
            },
            allow: names(&service.allow, policy),
            rates: limit.flat_map(|limit| rates(limit, policy)).collect(),
        }
    }
}

impl RateSummary {
    fn new(kind: gcra::Kind, rate: Rate, sources: Vec<String>) -> Self {
        let counted = gcra::Rate::new(kind, rate.per_second, rate.burst);
        Self {
            kind: match kind {
                gcra::Kind::Connection => "connections",
                gcra::Kind::Packet => "packets",
            },
            sources,
            per_second: rate.per_second,
            burst: rate.burst,
            // A valid policy has no rate that cannot be counted.
            effective_per_second: counted.map_or(f64::NAN, |r| r.effective_per_second(kind)),
        }
    }
}

fn rates(limit: &RateLimit, policy: &Policy) -> Vec<RateSummary> {
    let both = |connections: Option<Rate>, packets: Option<Rate>, sources: &Sources| {
        let connections = connections.map(|rate| (gcra::Kind::Connection, rate));
        let packets = packets.map(|rate| (gcra::Kind::Packet, rate));
        let sources = names(sources, policy);
        let rates = connections.into_iter().chain(packets);
        rates
            .map(|(kind, rate)| RateSummary::new(kind, rate, sources.clone()))
            .collect::<Vec<_>>()
    };
    let mut all = both(limit.connections, limit.packets, &Sources::default());
    for other in &limit.overrides {
        all.extend(both(other.connections, other.packets, &other.sources));
    }
    all
}

fn names(sources: &Sources, policy: &Policy) -> Vec<String> {
    let lists = sources.lists.iter().filter_map(|i| policy.lists.get(*i));
    let lists = lists.map(|list| list.name.clone());
    let v4 = sources.v4.iter().map(ToString::to_string);
    let v6 = sources.v6.iter().map(ToString::to_string);
    lists.chain(v4).chain(v6).collect()
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Enforce => "enforce",
        Mode::Monitor => "monitor",
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let interfaces = self.interfaces.join(", ");
        writeln!(f, "interfaces      {interfaces}")?;
        writeln!(f, "mode            {}", self.mode)?;
        writeln!(f, "unlisted ports  {}", self.unlisted_ports)?;
        for list in &self.lists {
            writeln!(f, "list {list}")?;
        }
        for service in &self.services {
            write!(f, "service {service}")?;
        }
        Ok(())
    }
}

impl fmt::Display for ListSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |written: usize, aggregated: usize| match written == aggregated {
            true => written.to_string(),
            false => format!("{written} ({aggregated} aggregated)"),
        };
        let ipv4 = part(self.ipv4, self.ipv4_aggregated);
        let ipv6 = part(self.ipv6, self.ipv6_aggregated);
        write!(
            f,
            "{}: IPv4 prefixes {ipv4}, IPv6 prefixes {ipv6}",
            self.name
        )
    }
}

impl fmt::Display for ServiceSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports = self.ports.join(" ");
        writeln!(f, "{}: {ports}, {}", self.name, self.mode)?;
        writeln!(f, "  allow {}", brief(&self.allow))?;
        for rate in &self.rates {
            writeln!(f, "  {rate}")?;
        }
        Ok(())
    }
}

impl fmt::Display for RateSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, per_second, burst) = (self.kind, self.per_second, self.burst);
        write!(f, "{kind} {per_second}/s, burst {burst}")?;
        // Six digits: the promise is half a percent.
        let effective = self.effective_per_second;
        let digits = (5 - effective.abs().log10().floor() as i32).clamp(0, 9) as usize;
        write!(f, ", effective {effective:.digits$}/s")?;
        if !self.sources.is_empty() {
            write!(f, ", for {}", brief(&self.sources))?;
        }
        Ok(())
    }
}

/// A few of them.
fn brief(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown = names.iter().take(SHOWN).cloned().collect::<Vec<_>>();
    match names.len().checked_sub(SHOWN) {
        Some(more @ 1..) => format!("{} and {more} more", shown.join(", ")),
        _ => shown.join(", "),
    }
}
