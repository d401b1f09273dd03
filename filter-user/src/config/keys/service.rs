//! The keys of services and their rates.

use super::Preset::{Required, Unset, Value};
use super::{MODES, PORTS, SOURCES, Section, key};

const RATE: &str = "a number of events a second";
const BURST: &str = "a number of events";

pub(in super::super) const SERVICE: Section = Section {
    header: "[[service]]",
    meaning: "Ports and who may reach them. No port may be in two services for one interface \
              and address; `quic` counts as `udp`.",
    keys: &[
        key(
            "name",
            "a string",
            Required("for example name = \"api\""),
            "`[a-z0-9_-]`, 1 to 63 characters; the `service` label of metrics.",
        ),
        key(
            "ports",
            PORTS,
            Required("for example ports = [\"443/tcp\"]"),
            "`tcp`, `udp`, or `quic`: UDP on which QUIC is spoken.",
        ),
        key(
            "interfaces",
            "an array of interface names",
            Unset("every interface"),
            "The interfaces it is limited to.",
        ),
        key(
            "addresses",
            "an array of addresses",
            Unset("any"),
            "The host's own addresses that it means; at most 64 in all services.",
        ),
        key(
            "mode",
            MODES,
            Value(r#""enforce""#),
            "`monitor` counts what would be dropped, and passes it.",
        ),
        key(
            "allow",
            SOURCES,
            Required("opening to everyone is written allow = [\"any\"]"),
            "Who may.",
        ),
        key(
            "deny",
            SOURCES,
            Value("[]"),
            "Who may not, whatever `allow` says.",
        ),
        key(
            "exempt",
            SOURCES,
            Value("[]"),
            "Who is never rate limited; does not imply `allow`.",
        ),
        key(
            "log_connections",
            "true or false",
            Value("false"),
            "Accepted new connections are events too.",
        ),
        key(
            "rate_limit",
            "a table",
            Unset("no limit"),
            "How fast one source may come.",
        ),
    ],
};

pub(in super::super) const RATE_LIMIT: Section = Section {
    header: "[service.rate_limit]",
    meaning: "Per source: `burst` may come at once, then one every 1/rate seconds. A burst \
              covers at least 10 ms of its rate and at most 4 hours.",
    keys: &[
        key(
            "connections_per_second",
            RATE,
            Unset("no limit"),
            "New connections, one in two hours (0.00014) to 10000.",
        ),
        key(
            "burst",
            BURST,
            Unset("the rate, at least 1"),
            "Connections at once before the rate binds.",
        ),
        key(
            "packets_per_second",
            RATE,
            Unset("no limit"),
            "Every packet to the service, 1 to 10000000.",
        ),
        key(
            "packet_burst",
            BURST,
            Unset("the packet rate"),
            "Packets at once before the rate binds.",
        ),
        key(
            "source_prefix_ipv4",
            "an integer",
            Value("32"),
            "IPv4 sources are counted by this prefix length, 1 to 32.",
        ),
        key(
            "source_prefix_ipv6",
            "an integer",
            Value("64"),
            "IPv6 sources are counted by this prefix length, 1 to 128.",
        ),
        key(
            "override",
            "an array of tables, each written [[service.rate_limit.override]]",
            Unset("none"),
            "Other rates for some sources.",
        ),
    ],
};

pub(in super::super) const OVERRIDE: Section = Section {
    header: "[[service.rate_limit.override]]",
    meaning: "Another rate for some sources; the most specific prefix wins. It needs a rate; the \
              kind of rate that it does not name is as in the service.",
    keys: &[
        key(
            "sources",
            SOURCES,
            Required("for example sources = [\"partners\"]"),
            "For whom; no more specific than the prefix that sources are counted by.",
        ),
        key(
            "connections_per_second",
            RATE,
            Unset("as in the service"),
            "New connections.",
        ),
        key(
            "burst",
            BURST,
            Unset("the override's rate, at least 1"),
            "Connections at once before the rate binds.",
        ),
        key(
            "packets_per_second",
            RATE,
            Unset("as in the service"),
            "Every packet to the service.",
        ),
        key(
            "packet_burst",
            BURST,
            Unset("the override's packet rate"),
            "Packets at once before the rate binds.",
        ),
    ],
};
