//! Debian's packages that are unpacked, not installed: installing them would start a service.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command;
use crate::progress::say;
use crate::workspace::Workspace;

/// A package, and where its parts go.
struct Unpacked {
    name: &'static str,
    /// Without it the place is not complete.
    program: &'static str,
    place: PathBuf,
}

/// fail2ban, for the test of the action file that this project ships: where that test looks.
pub fn fail2ban(workspace: &Workspace) -> Result<()> {
    ensure(&Unpacked {
        name: "fail2ban",
        program: "usr/bin/fail2ban-server",
        place: workspace.fail2ban(),
    })
}

/// Prometheus, for the tests of the alert rules and the dashboard that this project ships.
pub fn prometheus(workspace: &Workspace) -> Result<()> {
    ensure(&Unpacked {
        name: "prometheus",
        program: "usr/bin/promtool",
        place: workspace.prometheus(),
    })
}

/// nginx, for the bench's real connections: where the bench looks. Its libraries come with wrk and
/// with Debian itself.
pub fn nginx(workspace: &Workspace) -> Result<()> {
    ensure(&Unpacked {
        name: "nginx",
        program: "usr/sbin/nginx",
        place: workspace.nginx(),
    })
}

fn ensure(package: &Unpacked) -> Result<()> {
    let Unpacked {
        name,
        program,
        place,
    } = package;
    if place.join(program).is_file() {
        return Ok(());
    }
    say(&format!(
        "unpacking Debian's {name} into {}",
        place.display()
    ));
    unpack(package).with_context(|| {
        format!(
            "no {name}; unpack Debian's package by hand: apt-get download {name} && dpkg-deb -x \
             {name}_*.deb {}",
            place.display()
        )
    })
}

fn unpack(package: &Unpacked) -> Result<()> {
    let Unpacked {
        name,
        program,
        place,
    } = package;
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
        apt.args(["--quiet=2", "download", name]);
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
        .with_context(|| format!("apt-get download left no {name}*.deb"))?;
    let unpacked = staging.path().join("unpacked");
    command::output(
        Command::new("dpkg-deb")
            .arg("-x")
            .arg(package)
            .arg(&unpacked),
    )?;
    if !unpacked.join(program).is_file() {
        bail!("the package has no {program}");
    }
    if place.exists() {
        // Of an interrupted run: a rename needs an empty place.
        fs::remove_dir_all(place).with_context(|| format!("cannot remove {}", place.display()))?;
    }
    fs::rename(&unpacked, place).with_context(|| format!("cannot move to {}", place.display()))
}
