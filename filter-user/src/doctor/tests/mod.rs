//! Hosts that are not there: each with one thing wrong, found by the check of that name and by no
//! other.

mod device;
mod host;
mod links;

use super::facts::{Boot, Device, Facts, Said};
use super::{Check, Finding, Severity, examine, reference};
use crate::config::policy::{AttachMode, Policy};
use crate::config::{HostFacts, load_from};
use crate::kernel::netdev::{Channels, Offloads, XdpFeatures};
use crate::kernel::netlink::Link;
use std::path::Path;

const UNIT: &str = "[Unit]\nBefore=network-pre.target shutdown.target\nWants=network-pre.target\n";

fn policy(unlisted: &str) -> Policy {
    let text = format!(
        "[[interface]]\nname = \"eth0\"\n[policy]\nunlisted_ports = \"{unlisted}\"\n\
         management = \"none\"\n[[service]]\nname = \"api\"\nports = [\"443/tcp\"]\nallow = [\"any\"]\n"
    );
    let read = |path: &Path| panic!("{} is not asked for", path.display());
    let loaded = load_from(
        Path::new("c.toml"),
        text.as_bytes(),
        &read,
        &HostFacts::default(),
    );
    loaded.expect("it is valid").policy
}

fn link(index: u32, name: &str, kind: &str) -> Link {
    Link {
        index,
        name: name.into(),
        kind: kind.into(),
        is_ethernet: true,
        is_up: true,
        mtu: 1500,
        ..Link::default()
    }
}

/// A host with nothing wrong.
fn host(unlisted: &str) -> Facts {
    let eth0 = link(2, "eth0", "");
    let device = Device {
        link: eth0.clone(),
        mode: Some(AttachMode::Auto),
        driver: Some("virtio_net".into()),
        is_hardware: true,
        xdp_features: Some(XdpFeatures {
            is_native: true,
            has_frags: true,
        }),
        channels: Some(Channels { count: 4, max: 4 }),
        offloads: Some(Offloads::default()),
        is_ours: false,
    };
    let mut facts = Facts {
        boot: Boot {
            is_systemd: true,
            unit: Some(UNIT.into()),
            is_enabled: true,
            is_daemon_there: true,
        },
        policy: Some(policy(unlisted)),
        devices: vec![device],
        links: vec![eth0],
        addressed: [2].into(),
        ..Facts::default()
    };
    facts.host.cpus = 4;
    facts
}

/// What is wrong with it after a change.
fn found(unlisted: &str, change: impl FnOnce(&mut Facts)) -> Vec<Finding> {
    let mut facts = host(unlisted);
    change(&mut facts);
    examine(&facts)
}

#[track_caller]
fn one(findings: &[Finding], severity: Severity, check: Check, fix: &str) {
    let [finding] = findings else {
        panic!("{findings:#?}");
    };
    assert_eq!(
        (finding.severity, finding.check),
        (severity, check),
        "{finding}"
    );
    let said = finding.fix.as_deref().unwrap_or_default();
    assert!(said.contains(fix), "{finding}");
}

#[test]
fn on_a_host_with_nothing_wrong_nothing_is_found() {
    for unlisted in ["pass", "drop"] {
        assert_eq!(found(unlisted, |_| {}), []);
    }
}

#[test]
fn what_the_configuration_says_is_said() {
    let said = |is_error| {
        found("pass", |f| {
            f.config.push(Said {
                is_error,
                message: "m".into(),
                help: Some("do".into()),
            });
        })
    };
    one(&said(true), Severity::Error, Check::Config, "do");
    one(&said(false), Severity::Warning, Check::Config, "do");
}

#[test]
fn the_reference_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/doctor.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, reference()).expect("docs/doctor.md");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let stale = "docs/doctor.md is out of date: UPDATE_DOCS=1 cargo test -p filter-user doctor";
    assert!(found == reference(), "{stale}");
}
