//! The systemd unit that ships: valid, hardened, early enough.

use std::path::Path;
use std::process::{Command, Output};

const UNIT: &str = include_str!("../../config/edge-filter.service");
/// Of 10; what systemd itself calls "OK".
const LARGEST_EXPOSURE: f64 = 3.0;

/// The unit in a folder of its own, starting a program that is there.
fn unit(folder: &Path) -> String {
    let path = folder.join("edge-filter.service");
    std::fs::write(&path, UNIT.replace("/usr/bin/edge-filter", "/bin/true")).expect("ours");
    path.to_str().expect("it is text").to_owned()
}

fn analyze(arguments: &[&str]) -> Output {
    let mut command = Command::new("systemd-analyze");
    let output = command
        .args(arguments)
        .env("SYSTEMD_LOG_TARGET", "console")
        .output();
    output.expect("systemd-analyze is there: cargo xtask setup")
}

#[test]
fn systemd_finds_nothing_wrong_with_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = analyze(&["verify", "--man=no", &unit(folder.path())]);
    let said = String::from_utf8_lossy(&output.stderr);
    let about: Vec<_> = said
        .lines()
        .filter(|line| line.contains("edge-filter"))
        .collect();
    assert!(output.status.success() && about.is_empty(), "{said}");
}

#[test]
fn its_exposure_is_small() {
    let folder = tempfile::tempdir().expect("a folder");
    let unit = unit(folder.path());
    let output = analyze(&["security", "--offline=true", "--no-pager", &unit]);
    let said = String::from_utf8_lossy(&output.stdout);
    let exposure = said.lines().find_map(|line| {
        let rest = line
            .split_once("exposure level for edge-filter.service: ")?
            .1;
        rest.split_whitespace().next()?.parse::<f64>().ok()
    });
    assert!(
        exposure.is_some_and(|exposure| exposure <= LARGEST_EXPOSURE),
        "{said}"
    );
}

#[test]
fn it_comes_before_the_network_and_stays_out_of_ordering_loops() {
    for line in [
        "DefaultDependencies=no",
        "Before=network-pre.target shutdown.target",
        "Wants=network-pre.target",
        "Type=notify",
        "WantedBy=sysinit.target",
        "CapabilityBoundingSet=CAP_BPF CAP_NET_ADMIN CAP_PERFMON",
    ] {
        assert!(UNIT.lines().any(|found| found == line), "{line}");
    }
}
