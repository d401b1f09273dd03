//! Every metric, once: its name, type, labels and meaning. The reference is made from this.

use std::fmt::Write as _;

/// One family of metrics.
#[derive(Debug, PartialEq, Eq)]
pub struct Metric {
    /// As queries name it.
    pub name: &'static str,
    /// Counter or gauge.
    pub kind: MetricKind,
    /// Names of its labels.
    pub labels: &'static [&'static str],
    /// One line for an operator.
    pub help: &'static str,
}

/// Whether it only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// It only grows, but for a reboot.
    Counter,
    /// It goes up and down.
    Gauge,
}

impl MetricKind {
    /// As both formats spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

const fn counter(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric {
        name,
        kind: MetricKind::Counter,
        labels,
        help,
    }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric {
        name,
        kind: MetricKind::Gauge,
        labels,
        help,
    }
}

const COUNTED: &[&str] = &["device", "service", "action", "reason"];

pub(super) const PACKETS: Metric = counter(
    "edge_filter_packets_total",
    COUNTED,
    "Packets by what was done with them and why",
);
pub(super) const BYTES: Metric = counter(
    "edge_filter_bytes_total",
    COUNTED,
    "Bytes of these packets, from the Ethernet header on",
);
pub(super) const BUILD_INFO: Metric = gauge(
    "edge_filter_build_info",
    &["version", "abi"],
    "1; version of the program and of what daemon and packet program share",
);
pub(super) const ATTACHED: Metric = gauge(
    "edge_filter_attached",
    &["device", "mode"],
    "1 if the filter runs on the configured interface, asked from the kernel at scrape; else 0",
);
pub(super) const GENERATION: Metric = gauge(
    "edge_filter_policy_generation",
    &[],
    "Number of the policy in force; 0 if none is",
);
pub(super) const APPLIED: Metric = gauge(
    "edge_filter_policy_applied_timestamp_seconds",
    &[],
    "When the policy in force was put in force",
);
pub(super) const FALLBACK: Metric = gauge(
    "edge_filter_policy_fallback",
    &[],
    "1 while the last good policy stands in for an invalid configuration",
);
pub(super) const FILE_DIFFERS: Metric = gauge(
    "edge_filter_policy_file_differs",
    &[],
    "1 while the configured file says something else than the policy in force, as after a \
     rejected reload",
);
pub(super) const APPLY_DEADLINE: Metric = gauge(
    "edge_filter_apply_deadline_timestamp_seconds",
    &[],
    "When an unconfirmed policy is reverted; 0 if none waits",
);
pub(super) const BYPASS: Metric = gauge(
    "edge_filter_bypass",
    &[],
    "1 while a bypass lets everything pass",
);
pub(super) const GUARD_FINDINGS: Metric = gauge(
    "edge_filter_guard_findings",
    &[],
    "Peers that mattered and lost something by the newest policy",
);
pub(super) const RELOADS: Metric = counter(
    "edge_filter_reloads_total",
    &["outcome"],
    "Reloads since the daemon started: applied, rejected, reverted",
);
pub(super) const PREFIXES: Metric = gauge(
    "edge_filter_prefixes",
    &["list", "family"],
    "Prefixes of a list in force, after aggregation",
);
pub(super) const SOURCES_TRACKED: Metric = gauge(
    "edge_filter_sources_tracked",
    &[],
    "Sources with a rate that is not at rest, in the fuller of the tables of connections and \
     packets",
);
pub(super) const SOURCES_CAPACITY: Metric = gauge(
    "edge_filter_sources_capacity",
    &[],
    "Sources that each of these tables has room for",
);
pub(super) const EVICTIONS: Metric = counter(
    "edge_filter_source_evictions_total",
    &[],
    "Sources that lost their state to a newcomer, and so got a fresh burst",
);
pub(super) const BANS: Metric = gauge("edge_filter_bans", &[], "Bans in force");
pub(super) const ALLOWS: Metric = gauge("edge_filter_allows", &[], "Timed allows in force");
pub(super) const EVENTS: Metric = counter(
    "edge_filter_events_total",
    &[],
    "Sampled events that the packet program passed to the daemon",
);
pub(super) const EVENTS_LOST: Metric = counter(
    "edge_filter_events_lost_total",
    &[],
    "Events that were not sampled: beyond events_per_second, or no daemon read them",
);
pub(super) const CPU: Metric = counter(
    "process_cpu_seconds_total",
    &[],
    "CPU time of the daemon, user and system",
);
pub(super) const RESIDENT: Metric = gauge(
    "process_resident_memory_bytes",
    &[],
    "Resident memory of the daemon",
);
pub(super) const VIRTUAL: Metric = gauge(
    "process_virtual_memory_bytes",
    &[],
    "Virtual memory of the daemon",
);
pub(super) const OPEN_FDS: Metric = gauge(
    "process_open_fds",
    &[],
    "Open file descriptors of the daemon",
);
pub(super) const MAX_FDS: Metric = gauge(
    "process_max_fds",
    &[],
    "File descriptors that the daemon may have open",
);
pub(super) const START_TIME: Metric =
    gauge("process_start_time_seconds", &[], "When the daemon started");

/// In the order of the reference and of a scrape.
pub const METRICS: &[Metric] = &[
    PACKETS,
    BYTES,
    BUILD_INFO,
    ATTACHED,
    GENERATION,
    APPLIED,
    FALLBACK,
    FILE_DIFFERS,
    APPLY_DEADLINE,
    BYPASS,
    GUARD_FINDINGS,
    RELOADS,
    PREFIXES,
    SOURCES_TRACKED,
    SOURCES_CAPACITY,
    EVICTIONS,
    BANS,
    ALLOWS,
    EVENTS,
    EVENTS_LOST,
    CPU,
    RESIDENT,
    VIRTUAL,
    OPEN_FDS,
    MAX_FDS,
    START_TIME,
];

/// `docs/metrics.md`.
pub fn reference() -> String {
    use filter_common::verdict::Reason;
    let mut text = String::from(
        "# Metrics\n\n\
         <!-- Made from filter-user/src/metrics/table.rs by\n\
         UPDATE_DOCS=1 cargo test -p filter-user metrics: do not edit. -->\n\n\
         Served at `http://127.0.0.1:9477/metrics` (`metrics_listen`) as Prometheus text, or as\n\
         OpenMetrics 1.0 to who asks for `application/openmetrics-text`. Everything is read from\n\
         the kernel at the scrape. A source address is never a label. Counters of packets and\n\
         sources only grow, also across reload, restart and upgrade; a reboot starts at zero, and\n\
         so does a name whose number others have needed meanwhile. Reloads and `process_*` are\n\
         counted from the start of the daemon.\n\n\
         | name | type | labels | meaning |\n|---|---|---|---|\n",
    );
    for metric in METRICS {
        let labels: Vec<_> = metric.labels.iter().map(|l| format!("`{l}`")).collect();
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} |",
            metric.name,
            metric.kind.as_str(),
            labels.join(", "),
            metric.help,
        );
    }
    text.push_str(
        "\n## Labels\n\n\
         - `device`: the configured name of the interface; `unknown` for packets of one that is\n\
         \x20 not configured, as a member of a bond that has just joined.\n\
         - `service`: the service's name; `-` where the packet belongs to none. Of a service that\n\
         \x20 was removed the last counts stay.\n\
         - `action`: `pass`, `drop`, or `would_drop`: monitor mode or a bypass let it pass.\n\
         - `mode`: `native`, `generic`, `none`.\n\
         - `outcome`: `applied`, `rejected` (the policy in force stayed), `reverted`.\n\
         - `family`: `ipv4`, `ipv6`.\n\
         - `reason`: as follows.\n\n\
         | reason | meaning |\n|---|---|\n",
    );
    for reason in Reason::ALL {
        let _ = writeln!(text, "| `{}` | {} |", reason.label(), reason.help());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_reference_is_what_the_table_says() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, reference()).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == reference(),
            "docs/metrics.md is not up to date; run UPDATE_DOCS=1 cargo test -p filter-user metrics"
        );
    }

    #[test]
    fn names_follow_the_conventions() {
        for metric in METRICS {
            let is_total = metric.name.ends_with("_total");
            assert_eq!(is_total, metric.kind == MetricKind::Counter, "{metric:?}");
            let same = METRICS.iter().filter(|other| other.name == metric.name);
            assert_eq!(same.count(), 1, "{metric:?}");
            assert!(!metric.help.ends_with('.'), "{metric:?}");
        }
    }
}
