//! Privileges, places and limits; the configuration itself.

use super::facts::Facts;
use super::{Check, Finding, Severity};
use crate::config::policy::Unlisted;

/// The daemon keeps the last good policy and a journal: less than this is nearly full.
const LITTLE_SPACE: u64 = 64 << 20;

pub(super) fn examine(facts: &Facts, findings: &mut Vec<Finding>) {
    config(facts, findings);
    let host = &facts.host;
    if !host.lacking_capabilities.is_empty() {
        let message = format!(
            "this process lacks {}",
            host.lacking_capabilities.join(", ")
        );
        let fix = "sudo edge-filter doctor\n\
                   (the systemd unit gives the daemon all it needs)";
        findings.push(Finding::error(Check::Capabilities, message).fix(fix));
    }
    if let Some((message, fix)) = &host.bpffs {
        findings.push(Finding::error(Check::Bpffs, message).fix(fix));
    }
    let folder = host.state_directory.display();
    let is_root = host.lacking_capabilities.is_empty();
    if let Some(why) = host.state_problem.as_ref().filter(|_| is_root) {
        let message = format!("{folder} cannot be written: {why}");
        let fix = format!("install -d -m 0700 {folder}");
        findings.push(Finding::error(Check::StateDirectory, message).fix(fix));
    } else if let Some(free) = host.state_free
        && free < LITTLE_SPACE
    {
        let message = format!("{folder} has {} MiB left", free >> 20);
        let fix = format!("df -h {folder}");
        findings.push(Finding::warning(Check::StateDirectory, message).fix(fix));
    }
    for file in &host.damaged {
        let message = format!("{} was damaged and set aside", file.display());
        let fix = format!("rm {}   # when you know why", file.display());
        findings.push(Finding::note(Check::StateDirectory, message).fix(fix));
    }
    memory(facts, findings);
    if let Some(why) = &host.inotify_problem {
        let message = format!("files cannot be watched: {why}");
        let fix = "sysctl -w fs.inotify.max_user_instances=512 fs.inotify.max_user_watches=65536";
        findings.push(Finding::warning(Check::Inotify, message).fix(fix));
    }
}

fn config(facts: &Facts, findings: &mut Vec<Finding>) {
    for said in &facts.config {
        let severity = if said.is_error {
            Severity::Error
        } else {
            Severity::Warning
        };
        let mut finding = Finding::new(severity, Check::Config, &said.message);
        finding.fix.clone_from(&said.help);
        findings.push(finding);
    }
    let Some(policy) = &facts.policy else { return };
    if policy.unlisted_ports != Unlisted::Drop {
        return;
    }
    let nat = &facts.nat;
    let why = match (
        facts.host.forwards,
        nat.published.is_empty(),
        nat.masquerades,
    ) {
        (_, false, _) => "publishes ports of containers",
        (_, _, true) => "translates addresses for others (NAT)",
        (true, ..) => "forwards (net.ipv4.ip_forward or net.ipv6.conf.all.forwarding)",
        _ => return,
    };
    let message = format!(
        "this host {why}, and unlisted_ports is \"drop\": what is not for a socket of its own is \
         dropped"
    );
    let fix = format!(
        "unlisted_ports = \"pass\"   # [policy] of {}",
        facts.config_path.display()
    );
    findings.push(Finding::error(Check::Forwarding, message).fix(fix));
}

fn memory(facts: &Facts, findings: &mut Vec<Finding>) {
    let (Some(needed), Some(available)) = (facts.host.memory_needed, facts.host.memory_available)
    else {
        return;
    };
    if needed <= available {
        return;
    }
    let message = format!(
        "the policy needs {} MiB, its next reload included; {} MiB are available",
        needed >> 20,
        available >> 20
    );
    let fix = "tracked_sources = 65536   # [daemon]; `edge-filter check` shows what takes how much";
    findings.push(Finding::error(Check::Memory, message).fix(fix));
}
