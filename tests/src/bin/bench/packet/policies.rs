//! The policy that is measured, as text, and packets for each way through it.

use std::fmt::Write as _;

use filter_common::verdict::Outcome;

use crate::frames::{Kind, PORT, tcp4, tcp6};
use crate::lists::List;

/// Sources that edge-filter and the LRU hash have room for.
pub const CELLS: u32 = 1 << 20;
/// Interval and tolerance of a rate that never binds here, and of one that always does.
pub const LOOSE_NS: [u64; 2] = [100_000, 14_000_000_000_000];
pub const TIGHT_NS: [u64; 2] = [1_000_000_000_000, 0];
/// What the service denies.
pub const DENIED4: [(u32, u8); 1] = [(0xcb00_7100, 24)];
const DENIED6: u64 = 0x3fff_0002_0000_0000;
/// Whose rate always binds.
const SLOW4: u32 = 0xc633_6400;
const SLOW6: u64 = 0x3fff_0001_0000_0000;
/// Nobody's.
const STRANGER4: u32 = 0x6440_0001;
const STRANGER6: u64 = 0x3fff_0003_0000_0000;
/// Banned.
pub const BANNED4: u32 = 0x0a00_0009;
pub const BANNED6: u64 = 0x3fff_0004_0000_0000;
const UNLISTED: u16 = 9;

/// One service with everything that paths need, and others like it on other ports.
pub fn policy(services: usize) -> String {
    let mut text = String::from(
        r#"[[interface]]
name = "eth0"
[prefix_list.many]
file = "many.txt"
[prefix_list.slow]
prefixes = ["198.51.100.0/24", "3fff:1::/32"]
[prefix_list.bad]
prefixes = ["203.0.113.0/24", "3fff:2::/32"]
"#,
    );
    for other in 1..services {
        let _ = write!(
            text,
            "[[service]]\nname = \"other{other}\"\nports = [\"{}/tcp\"]\n\
             allow = [\"many\", \"10.{other}.0.0/16\"]\n",
            8000 + other
        );
    }
    text + r#"[[service]]
name = "api"
ports = ["443/tcp"]
allow = ["many", "slow"]
deny = ["bad"]
[service.rate_limit]
connections_per_second = 10000
burst = 140000000
[[service.rate_limit.override]]
sources = ["slow"]
connections_per_second = 0.001
burst = 1
"#
}

/// Everybody may connect, at the loose rate or the tight one.
pub fn open_policy(is_tight: bool) -> String {
    let rate = match is_tight {
        true => "connections_per_second = 0.001\nburst = 1",
        false => "connections_per_second = 10000\nburst = 140000000",
    };
    format!(
        "[[interface]]\nname = \"eth0\"\n[[service]]\nname = \"api\"\nports = [\"443/tcp\"]\n\
         allow = [\"any\"]\n[service.rate_limit]\n{rate}\n"
    )
}

/// The sources whose rate always binds.
pub fn slow_list() -> List {
    List {
        v4: vec![(SLOW4, 24)],
        v6: vec![(SLOW6, 32)],
    }
}

/// Everybody.
pub fn everybody() -> List {
    List {
        v4: vec![(0, 0)],
        v6: vec![(0, 0)],
    }
}

/// From where a packet comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    Listed,
    Stranger,
    Denied,
    Slow,
    Banned,
}

/// A way through the program.
pub struct Path {
    /// In tables.
    pub name: &'static str,
    /// What becomes of it.
    pub outcome: Outcome,
    from: From,
    is_ipv6: bool,
    kind: Kind,
    port: u16,
    tags: usize,
    /// Somebody is banned, be it somebody else.
    is_beside_bans: bool,
}

impl Path {
    const fn new(name: &'static str, outcome: Outcome, from: From, is_ipv6: bool) -> Self {
        Self {
            name,
            outcome,
            from,
            is_ipv6,
            kind: Kind::Established,
            port: PORT,
            tags: 0,
            is_beside_bans: matches!(from, From::Banned),
        }
    }

    const fn opening(self) -> Self {
        Self {
            kind: Kind::Opening,
            ..self
        }
    }

    const fn unlisted(self) -> Self {
        Self {
            port: UNLISTED,
            ..self
        }
    }

    const fn tagged(self, tags: usize) -> Self {
        Self { tags, ..self }
    }

    const fn beside_bans(self) -> Self {
        Self {
            is_beside_bans: true,
            ..self
        }
    }

    /// Whether the policy has bans while this is measured.
    pub const fn looks_at_bans(&self) -> bool {
        self.is_beside_bans
    }

    /// Whether the rate of its source always binds.
    pub const fn is_over_rate(&self) -> bool {
        matches!(self.from, From::Slow)
    }

    /// Its packet, where this list is the policy's.
    pub fn frame(&self, list: &List) -> Vec<u8> {
        if self.is_ipv6 {
            let upper = match self.from {
                From::Listed => list.v6[0].0,
                From::Stranger => STRANGER6,
                From::Denied => DENIED6,
                From::Slow => SLOW6,
                From::Banned => BANNED6,
            };
            return tcp6(upper, self.port, self.kind, self.tags);
        }
        let source = match self.from {
            From::Listed => list.v4[0].0,
            From::Stranger => STRANGER4,
            From::Denied => DENIED4[0].0,
            From::Slow => SLOW4,
            From::Banned => BANNED4,
        };
        tcp4(source, self.port, self.kind, self.tags)
    }
}

/// Names that targets refer to.
pub const ESTABLISHED4: &str = "IPv4 established, allowed";
pub const ESTABLISHED6: &str = "IPv6 established, allowed";

/// Every way.
pub const PATHS: [Path; 19] = [
    Path::new(ESTABLISHED4, Outcome::ALLOWED, From::Listed, false),
    Path::new(
        "IPv4 not allowed",
        Outcome::NOT_ALLOWED,
        From::Stranger,
        false,
    ),
    Path::new("IPv4 denied", Outcome::DENIED, From::Denied, false),
    Path::new(
        "IPv4 new connection within its rate",
        Outcome::ALLOWED,
        From::Listed,
        false,
    )
    .opening(),
    Path::new(
        "IPv4 new connection over its rate",
        Outcome::CONNECTION_RATE,
        From::Slow,
        false,
    )
    .opening(),
    Path::new("IPv4 banned", Outcome::BANNED, From::Banned, false),
    Path::new(
        "IPv4 established, another source banned",
        Outcome::ALLOWED,
        From::Listed,
        false,
    )
    .beside_bans(),
    Path::new(
        "IPv4 unlisted port",
        Outcome::UNLISTED_PASSED,
        From::Listed,
        false,
    )
    .unlisted(),
    Path::new(
        "IPv4 established, one VLAN tag",
        Outcome::ALLOWED,
        From::Listed,
        false,
    )
    .tagged(1),
    Path::new(
        "IPv4 established, two VLAN tags",
        Outcome::ALLOWED,
        From::Listed,
        false,
    )
    .tagged(2),
    Path::new(ESTABLISHED6, Outcome::ALLOWED, From::Listed, true),
    Path::new(
        "IPv6 not allowed",
        Outcome::NOT_ALLOWED,
        From::Stranger,
        true,
    ),
    Path::new("IPv6 denied", Outcome::DENIED, From::Denied, true),
    Path::new(
        "IPv6 new connection within its rate",
        Outcome::ALLOWED,
        From::Listed,
        true,
    )
    .opening(),
    Path::new(
        "IPv6 new connection over its rate",
        Outcome::CONNECTION_RATE,
        From::Slow,
        true,
    )
    .opening(),
    Path::new("IPv6 banned", Outcome::BANNED, From::Banned, true),
    Path::new(
        "IPv6 established, another source banned",
        Outcome::ALLOWED,
        From::Listed,
        true,
    )
    .beside_bans(),
    Path::new(
        "IPv6 unlisted port",
        Outcome::UNLISTED_PASSED,
        From::Listed,
        true,
    )
    .unlisted(),
    Path::new(
        "IPv6 established, one VLAN tag",
        Outcome::ALLOWED,
        From::Listed,
        true,
    )
    .tagged(1),
];
