//! The alert rules, by Prometheus's own tool.

use std::collections::BTreeSet;
use std::process::Command;

use edge_filter_tests::daemon::{shipped, tool};

fn promtool(arguments: &[&str]) {
    let mut command = Command::new(tool("promtool"));
    let folder = shipped("prometheus");
    let output = command.args(arguments).current_dir(folder).output();
    let output = output.expect("it is there");
    assert!(
        output.status.success(),
        "promtool {arguments:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn the_rules_are_valid() {
    promtool(&["check", "rules", "alerts.yml"]);
}

#[test]
fn each_alert_fires_on_what_it_is_for_and_on_nothing_else() {
    promtool(&["test", "rules", "alerts_test.yml"]);
}

#[test]
fn no_alert_is_without_a_test() {
    let names = |file, key| -> BTreeSet<String> {
        let text = std::fs::read_to_string(shipped("prometheus").join(file));
        let text = text.expect("it is shipped");
        let lines = text.lines().map(str::trim_start);
        let values = lines.filter_map(|line| line.trim_start_matches("- ").strip_prefix(key));
        values.map(str::to_owned).collect()
    };
    let alerts = names("alerts.yml", "alert: ");
    assert!(alerts.len() >= 10, "{alerts:?}");
    assert_eq!(alerts, names("alerts_test.yml", "alertname: "));
}
