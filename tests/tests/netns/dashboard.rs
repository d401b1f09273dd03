//! The dashboard and the alert rules that ship, asked of a real Prometheus that scrapes a real
//! daemon.

use edge_filter_tests::daemon::{Host, JOB, METRICS, Prometheus, shipped};
use edge_filter_tests::netns::Net;
use edge_filter_tests::netns::sockets::{Answer, Echo, ask_udp};
use edge_filter_tests::netns::wait::{self, PATIENCE, SILENCE};
use serde_json::Value;

use crate::{PORT, WIRE};

const POLICY: &str = r#"
[[interface]]
name = "s0"

[prefix_list.customers]
prefixes = ["10.77.0.10"]

[[service]]
name = "api"
ports = ["7000/udp"]
allow = ["customers"]

[[service]]
name = "watched"
ports = ["7001/udp"]
mode = "monitor"
allow = ["customers"]
"#;

/// Every query of the dashboard with its panel's title, Grafana's variables filled in.
fn queries() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(shipped("grafana/edge-filter.json")).expect("it is shipped");
    let dashboard: Value = serde_json::from_str(&text).expect("it is JSON");
    let panels = dashboard["panels"].as_array().expect("it has panels");
    let annotations = dashboard["annotations"]["list"].as_array();
    let targets = panels.iter().flat_map(|panel| {
        let targets = panel["targets"].as_array().expect("a panel has targets");
        targets.iter().map(|target| (&panel["title"], target))
    });
    let noted = annotations.into_iter().flatten().map(|n| (&n["name"], n));
    targets
        .chain(noted)
        .map(|(title, target)| {
            let query = target["expr"].as_str().expect("a target has a query");
            let query = query
                .replace("$job", JOB)
                .replace("$instance", ".+")
                .replace("$__rate_interval", "1m")
                .replace("$__interval", "1m")
                .replace("$__range", "1h");
            assert!(!query.contains('$'), "another variable in {query}");
            (title.as_str().expect("it has a title").into(), query)
        })
        .collect()
}

#[test]
fn every_query_of_the_dashboard_has_data_and_every_rule_is_loaded() {
    let net = Net::new();
    let host = Host::start_with(&net.server, POLICY);
    let echoes = [PORT, PORT + 1].map(|port| Echo::udp(&net.server, (WIRE.server(false), port)));
    let prometheus = Prometheus::start(&net.server, &host);
    let exchange = || {
        let ask = |client, port, wait| {
            let server = (WIRE.server(false), port).into();
            let source = WIRE.client(client, false);
            net.client.run(|| ask_udp(source, server, 10, wait))
        };
        assert_eq!(ask(10, PORT, PATIENCE), Answer::Served);
        assert_eq!(ask(11, PORT, SILENCE), Answer::Silence);
        assert_eq!(ask(11, PORT + 1, PATIENCE), Answer::Served);
    };
    exchange();
    // The table of the dashboard shows what has grown: that takes two scrapes, before and after.
    wait::until("a scrape with a drop in it", || {
        let dropped = r#"edge_filter_packets_total{action="drop"} > 0"#;
        let found = prometheus.query(dropped).expect("it is PromQL");
        (!found.is_empty()).then_some(())
    });
    host.reload_with(&POLICY.replace("10.77.0.10", "10.77.0.10\", \"10.77.0.12"));
    for (title, query) in queries() {
        wait::until(&format!("data for {title}: {query}"), || {
            let found = prometheus
                .query(&query)
                .unwrap_or_else(|error| panic!("{title}: {error} in {query}"));
            if found.is_empty() {
                exchange();
            }
            (!found.is_empty()).then_some(())
        });
    }
    drop(echoes);

    let rules = prometheus.api("rules");
    let rules = rules["data"]["groups"][0]["rules"].as_array();
    let rules = rules.expect("the rules are loaded");
    assert!(rules.len() >= 10, "{rules:?}");
    for rule in rules {
        assert_eq!(rule["lastError"], Value::Null, "{rule}");
        assert_ne!(rule["health"], "err", "{rule}");
    }
}

#[test]
fn an_alert_fires_where_its_state_is() {
    let net = Net::new();
    let host = Host::start_with(&net.server, POLICY);
    let prometheus = Prometheus::start(&net.server, &host);
    let firing = |alert: &str| {
        let query = format!(r#"ALERTS{{alertname="{alert}", alertstate="firing"}}"#);
        let found = prometheus.query(&query).expect("it is PromQL");
        found.into_iter().next()
    };
    host.ask(&["bypass", "--for", "1h"]);
    let alert = wait::until("the alert of the bypass", || firing("EdgeFilterBypass"));
    assert_eq!(alert["metric"]["instance"], METRICS);
    host.ask(&["bypass", "--end"]);
    wait::until("its end", || {
        firing("EdgeFilterBypass").is_none().then_some(())
    });
    assert_eq!(firing("EdgeFilterPolicyFallback"), None);
}
