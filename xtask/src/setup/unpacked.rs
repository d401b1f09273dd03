//! Debian's packages of which tests run a program, and what is shipped for it: the action for
//! fail2ban, the alert rules and the dashboard for Prometheus.
//!
//! Unpacked, not installed: these packages would start services, and one changes the host's
//! firewall.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{self, say};
use crate::workspace::Workspace;

/// Package, and the program of it that tests run.
const PACKAGES: [(&str, &str); 2] = [
    ("fail2ban", "usr/bin/fail2ban-server"),
    ("prometheus", "usr/bin/promtool"),
];

/// Unpacks each into its folder of `target/tools`, where tests look, unless it is there.
pub fn ensure(workspace: &Workspace) -> Result<()> {
    for (package, program) in PACKAGES {
        let place = workspace.unpacked(package);
        if place.join(program).is_file() {
            continue;
        }
        say(&format!(
            "unpacking Debian's {package} into {}",
            place.display()
        ));
        unpack(package, program, &place).with_context(|| {
            format!(
                "no {package} for its test; unpack Debian's package by hand: apt-get download \
                 {package} && dpkg-deb -x {package}_*.deb {}",
                place.display()
            )
        })?;
    }
    Ok(())
}

fn unpack(package: &str, program: &str, place: &Path) -> Result<()> {
    for program in ["apt-get", "dpkg-deb"] {
        if !command::is_on_path(program) {
            bail!("this host has no {program}");
        }
    }
    let parent = place.parent().context("it has no parent folder")?;
    fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    let staging = tempfile::Builder::new()
        .prefix(".unpacking-")
        .tempdir_in(parent)
        .with_context(|| format!("cannot write to {}", parent.display()))?;
    let download = || {
        let mut apt = Command::new("apt-get");
        apt.args(["--quiet=2", "download", package]);
        command::output(apt.current_dir(staging.path())).map(drop)
    };
    // Fresh machines have no package lists yet.
    download().or_else(|_| {
        command::output(Command::new("apt-get").args(["--quiet=2", "update"]))?;
        download()
    })?;
    let file = fs::read_dir(staging.path())
        .with_context(|| format!("cannot read {}", staging.path().display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .with_context(|| format!("apt-get download left no {package}*.deb"))?;
    let unpacked = staging.path().join("unpacked");
    command::output(Command::new("dpkg-deb").arg("-x").arg(file).arg(&unpacked))?;
    if !unpacked.join(program).is_file() {
        bail!("the package has no {program}");
    }
    if place.exists() {
        // Of an interrupted run: a rename needs an empty place.
        fs::remove_dir_all(place).with_context(|| format!("cannot remove {}", place.display()))?;
    }
    fs::rename(&unpacked, place).with_context(|| format!("cannot move to {}", place.display()))
}
