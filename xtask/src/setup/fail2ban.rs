//! Debian's fail2ban, for the test of the action file that this project ships.
//!
//! Unpacked, not installed: its package would start a service that changes the host's firewall.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{self, say};
use crate::workspace::Workspace;

const SERVER: &str = "usr/bin/fail2ban-server";

/// Unpacks it into `target/tools/fail2ban`, where the test looks, unless it is there.
pub fn ensure(workspace: &Workspace) -> Result<()> {
    let place = workspace.fail2ban();
    if place.join(SERVER).is_file() {
        return Ok(());
    }
    say(&format!(
        "unpacking Debian's fail2ban into {}",
        place.display()
    ));
    unpack(&place).with_context(|| {
        format!(
            "no fail2ban for its test; unpack Debian's package by hand: apt-get download fail2ban \
             && dpkg-deb -x fail2ban_*.deb {}",
            place.display()
        )
    })
}

fn unpack(place: &Path) -> Result<()> {
    for program in ["apt-get", "dpkg-deb"] {
        if !command::is_on_path(program) {
            bail!("this host has no {program}");
        }
    }
    let parent = place.parent().context("it has no parent folder")?;
    fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    let staging = tempfile::Builder::new()
        .prefix(".fail2ban-")
        .tempdir_in(parent)
        .with_context(|| format!("cannot write to {}", parent.display()))?;
    let download = || {
        let mut apt = Command::new("apt-get");
        apt.args(["--quiet=2", "download", "fail2ban"]);
        command::output(apt.current_dir(staging.path())).map(drop)
    };
    // Fresh machines have no package lists yet.
    download().or_else(|_| {
        command::output(Command::new("apt-get").args(["--quiet=2", "update"]))?;
        download()
    })?;
    let package = fs::read_dir(staging.path())
        .with_context(|| format!("cannot read {}", staging.path().display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("apt-get download left no fail2ban*.deb")?;
    let unpacked = staging.path().join("unpacked");
    command::output(
        Command::new("dpkg-deb")
            .arg("-x")
            .arg(package)
            .arg(&unpacked),
    )?;
    if !unpacked.join(SERVER).is_file() {
        bail!("the package has no {SERVER}");
    }
    if place.exists() {
        // Of an interrupted run: a rename needs an empty place.
        fs::remove_dir_all(place).with_context(|| format!("cannot remove {}", place.display()))?;
    }
    fs::rename(&unpacked, place).with_context(|| format!("cannot move to {}", place.display()))
}
