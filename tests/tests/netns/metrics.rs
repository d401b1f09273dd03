//! /metrics: names, labels and formats of the contract.

use std::collections::{BTreeMap, BTreeSet};

use edge_filter_tests::daemon::{Host, Metrics};
use edge_filter_tests::netns::Net;
use edge_filter_tests::netns::sockets::{Answer, Echo, ask_tcp};
use edge_filter_tests::netns::wait::{PATIENCE, SILENCE};

use crate::{PORT, WIRE};

const POLICY: &str = r#"
[[interface]]
name = "s0"

[prefix_list.customers]
prefixes = ["10.77.0.10", "fd77::a", "fd77::c"]

[[service]]
name = "api"
ports = ["7000/tcp"]
allow = ["customers"]
"#;

/// Everything that the contract names: type, and labels.
const CONTRACT: [(&str, &str, &[&str]); 26] = [
    (
        "edge_filter_packets_total",
        "counter",
        &["action", "device", "reason", "service"],
    ),
    (
        "edge_filter_bytes_total",
        "counter",
        &["action", "device", "reason", "service"],
    ),
    ("edge_filter_build_info", "gauge", &["abi", "version"]),
    ("edge_filter_attached", "gauge", &["device", "mode"]),
    ("edge_filter_policy_generation", "gauge", &[]),
    ("edge_filter_policy_applied_timestamp_seconds", "gauge", &[]),
    ("edge_filter_policy_fallback", "gauge", &[]),
    ("edge_filter_policy_file_differs", "gauge", &[]),
    ("edge_filter_apply_deadline_timestamp_seconds", "gauge", &[]),
    ("edge_filter_bypass", "gauge", &[]),
    ("edge_filter_guard_findings", "gauge", &[]),
    ("edge_filter_reloads_total", "counter", &["outcome"]),
    ("edge_filter_prefixes", "gauge", &["family", "list"]),
    ("edge_filter_sources_tracked", "gauge", &[]),
    ("edge_filter_sources_capacity", "gauge", &[]),
    ("edge_filter_source_evictions_total", "counter", &[]),
    ("edge_filter_bans", "gauge", &[]),
    ("edge_filter_allows", "gauge", &[]),
    ("edge_filter_events_total", "counter", &[]),
    ("edge_filter_events_lost_total", "counter", &[]),
    ("process_cpu_seconds_total", "counter", &[]),
    ("process_resident_memory_bytes", "gauge", &[]),
    ("process_virtual_memory_bytes", "gauge", &[]),
    ("process_open_fds", "gauge", &[]),
    ("process_max_fds", "gauge", &[]),
    ("process_start_time_seconds", "gauge", &[]),
];

#[test]
fn both_formats_carry_the_contract() {
    let net = Net::new();
    let host = Host::start_with(&net.server, POLICY);
    let server = (WIRE.server(false), PORT);
    let _tcp = Echo::tcp(&net.server, server);
    net.client.run(|| {
        let ask = |source, wait| ask_tcp(WIRE.client(source, false), server.into(), 10, wait);
        assert_eq!(ask(10, PATIENCE), Answer::Served);
        assert_eq!(ask(11, SILENCE), Answer::Silence);
    });

    let (header, text) = host.scrape("text/plain;version=0.0.4");
    assert!(header.contains("content-type: text/plain"), "{header}");
    assert!(!text.contains("# EOF"));
    assert_contract(&Metrics::parse(&text), false);

    let (header, text) = host.scrape("application/openmetrics-text; version=1.0.0");
    let openmetrics = "content-type: application/openmetrics-text";
    assert!(header.contains(openmetrics), "{header}");
    assert!(text.ends_with("# EOF\n"));
    assert_contract(&Metrics::parse(&text), true);
}

fn assert_contract(metrics: &Metrics, is_openmetrics: bool) {
    let types: BTreeMap<_, _> = metrics
        .comments
        .iter()
        .filter_map(|comment| comment.strip_prefix("TYPE ")?.split_once(' '))
        .collect();
    let helped: BTreeSet<_> = metrics
        .comments
        .iter()
        .filter_map(|comment| Some(comment.strip_prefix("HELP ")?.split_once(' ')?.0))
        .collect();
    for (name, kind, labels) in CONTRACT {
        let sample = metrics
            .named(name)
            .next()
            .unwrap_or_else(|| panic!("{name} is missing"));
        assert!(
            sample.labels.keys().eq(labels.iter()),
            "{name}: {:?}",
            sample.labels
        );
        // OpenMetrics names the family; in Prometheus text family and sample have one name.
        let family = match is_openmetrics {
            true => name.strip_suffix("_total").unwrap_or(name),
            false => name,
        };
        // OpenMetrics has a type of its own for what never changes.
        let is_info = is_openmetrics && name == "edge_filter_build_info";
        assert!(
            is_info || types.get(family) == Some(&kind),
            "{name}: no TYPE {kind}"
        );
        assert!(is_info || helped.contains(family), "{name}: no HELP");
    }
    for sample in &metrics.samples {
        let is_named = CONTRACT.iter().any(|(name, ..)| {
            *name == sample.name || is_openmetrics && sample.name == format!("{name}_info")
        });
        assert!(is_named, "{} is in no contract", sample.name);
        for value in sample.labels.values() {
            assert!(
                !value.contains("10.77."),
                "an address is no label: {sample:?}"
            );
        }
    }
    assert_values(metrics);
}

fn assert_values(metrics: &Metrics) {
    assert!(metrics.packets("api", "pass", "allowed") >= 3);
    assert!(metrics.packets("api", "drop", "not_allowed") >= 1);
    let native = [("device", "s0"), ("mode", "native")];
    assert_eq!(metrics.value("edge_filter_attached", &native), 1.0);
    let prefixes = |family| {
        metrics.value(
            "edge_filter_prefixes",
            &[("list", "customers"), ("family", family)],
        )
    };
    assert_eq!((prefixes("ipv4"), prefixes("ipv6")), (1.0, 2.0));
    assert_eq!(metrics.value("edge_filter_sources_capacity", &[]), 16384.0);
    assert!(metrics.value("edge_filter_policy_generation", &[]) >= 1.0);
    // Of this century: seconds, not milliseconds.
    let applied = metrics.value("edge_filter_policy_applied_timestamp_seconds", &[]);
    assert!((1e9..1e10).contains(&applied), "{applied}");
    for outcome in ["applied", "rejected", "reverted"] {
        metrics.value("edge_filter_reloads_total", &[("outcome", outcome)]);
    }
    let bytes = metrics.sum("edge_filter_bytes_total", &[("action", "pass")]);
    let packets = metrics.sum("edge_filter_packets_total", &[("action", "pass")]);
    assert!(bytes >= 40.0 * packets && packets > 0.0);
    for quiet in ["edge_filter_bypass", "edge_filter_policy_fallback"] {
        assert_eq!(metrics.value(quiet, &[]), 0.0);
    }
    for never in ["no_policy", "fault"] {
        let counted = metrics.sum("edge_filter_packets_total", &[("reason", never)]);
        assert_eq!(counted, 0.0, "{never}");
    }
}
