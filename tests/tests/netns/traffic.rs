//! Two policies that differ in everything, and traffic that tells which parts of which decided.
//!
//! Host 10 may ask port 1000 and host 11 port 2000, in both policies; the other way round in
//! neither. But the services change places: whoever joined the ports of one policy with the
//! prefixes of the other would turn each answer round.

use edge_filter_tests::daemon::Host;
use edge_filter_tests::netns::barrage::{Expect, Probe};
use edge_filter_tests::netns::frames::Flow;

use crate::{FAMILIES, WIRE};

/// Probes of one round that pass, counted as `allowed`.
pub const PASSING: u64 = 4;
/// Probes of one round that do not, counted as `not_allowed`.
pub const DROPPED: u64 = 6;

/// A port of a service that is the same in both, open to host 12 over IPv4.
pub const CONNECTIONS: u16 = 3000;

/// One of the two policies.
pub fn policy(is_second: bool) -> String {
    let (alpha, beta) = (("1000", "first"), ("2000", "second"));
    let (alpha, beta) = if is_second {
        (beta, alpha)
    } else {
        (alpha, beta)
    };
    format!(
        r#"
[[interface]]
name = "s0"

[prefix_list.first]
prefixes = ["10.77.0.10", "fd77::a"]

[prefix_list.second]
prefixes = ["10.77.0.11", "fd77::b"]

[[service]]
name = "alpha"
ports = ["{}/tcp"]
allow = ["{}"]

[[service]]
name = "beta"
ports = ["{}/tcp"]
allow = ["{}"]

[[service]]
name = "gamma"
ports = ["{CONNECTIONS}/tcp"]
allow = ["10.77.0.12"]
"#,
        alpha.0, alpha.1, beta.0, beta.1
    )
}

/// The probes, in both families.
pub fn probes() -> Vec<Probe> {
    let mut probes = Vec::new();
    for is_ipv6 in FAMILIES {
        for (name, source, port, expect) in [
            ("both allow (10, 1000)", 10, 1000, Expect::Passes),
            ("both allow (11, 2000)", 11, 2000, Expect::Passes),
            (
                "only a mixture allows (10, 2000)",
                10,
                2000,
                Expect::Dropped,
            ),
            (
                "only a mixture allows (11, 1000)",
                11,
                1000,
                Expect::Dropped,
            ),
            ("both deny (12, 1000)", 12, 1000, Expect::Dropped),
        ] {
            let source = (WIRE.client(source, is_ipv6), 40_000);
            probes.push(Probe {
                name,
                flow: Flow::new(source, (WIRE.server(is_ipv6), port)),
                is_tcp: true,
                expect,
            });
        }
    }
    probes
}

/// That the filter has counted each probe of so many rounds, and under the right reason.
pub fn assert_counted(host: &Host, rounds: u64) {
    let metrics = host.metrics();
    let sum = |action, reason| -> u64 {
        ["alpha", "beta"]
            .map(|service| metrics.packets(service, action, reason))
            .iter()
            .sum()
    };
    assert_eq!(sum("pass", "allowed"), PASSING * rounds);
    assert_eq!(sum("drop", "not_allowed"), DROPPED * rounds);
}
