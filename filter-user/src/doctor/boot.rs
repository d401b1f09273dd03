//! What happens at the next boot, and whether somebody is at home now.

use super::facts::Facts;
use super::{Check, Finding};

pub(super) fn examine(facts: &Facts, findings: &mut Vec<Finding>) {
    let boot = &facts.boot;
    if boot.is_systemd {
        match &boot.unit {
            None => {
                let message = "there is no edge-filter.service: nothing starts the filter at boot";
                let fix = "install the package, or config/edge-filter.service, then\n\
                           systemctl enable --now edge-filter";
                findings.push(Finding::warning(Check::Boot, message).fix(fix));
            }
            Some(unit) => {
                if !boot.is_enabled {
                    let message = "edge-filter.service is not enabled: the next boot is unfiltered";
                    let fix = "systemctl enable edge-filter";
                    findings.push(Finding::warning(Check::Boot, message).fix(fix));
                }
                if !is_before_network(unit) {
                    let message = "edge-filter.service does not start before network-pre.target: \
                                   the host is open while it boots";
                    let fix = "systemctl revert edge-filter   # the unit as it was shipped";
                    findings.push(Finding::warning(Check::Boot, message).fix(fix));
                }
            }
        }
    }
    let attached: Vec<_> = facts.devices.iter().filter(|d| d.is_ours).collect();
    if !attached.is_empty() && !boot.is_daemon_there {
        let names: Vec<_> = attached.iter().map(|d| d.link.name.as_str()).collect();
        let message = format!(
            "the filter is attached to {}, its daemon does not answer",
            names.join(", ")
        );
        let fix = "systemctl restart edge-filter";
        findings.push(Finding::warning(Check::Daemon, message).fix(fix));
    }
}

/// `Before=` alone orders; only with `Wants=` is there something to be ordered before.
fn is_before_network(unit: &str) -> bool {
    let names = |key: &str| {
        let lines = unit
            .lines()
            .filter_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='));
        lines
            .flat_map(str::split_whitespace)
            .any(|name| name == "network-pre.target")
    };
    names("Before") && names("Wants")
}
