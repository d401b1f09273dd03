//! `--check`: what was made, installed into a Debian of its own, run, upgraded, removed and
//! purged; nothing may be left. Must never touch the host's own packages, interfaces or mounts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use super::{Dist, archive};
use crate::command;
use crate::progress;

const SUITE: &str = "bookworm";
const ARCHIVE: &str = "http://deb.debian.org/debian";
const SCRIPT: &str = include_str!("trial.sh");

/// A Debian in a folder, that goes on drop.
pub struct Debian(TempDir);

impl Debian {
    /// Bootstraps a small one.
    pub fn new() -> Result<Self> {
        Self::with(&[])
    }

    /// The same with these packages beside what every Debian has.
    pub fn with(packages: &[&str]) -> Result<Self> {
        progress::step("making a small Debian (a minute)");
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        let mut debootstrap = Command::new("debootstrap");
        debootstrap.arg("--variant=minbase");
        if !packages.is_empty() {
            debootstrap.arg(format!("--include={}", packages.join(",")));
        }
        debootstrap
            .arg(SUITE)
            .arg(folder.path().join("root"))
            .arg(ARCHIVE);
        command::output(&mut debootstrap).context("debootstrap made no Debian")?;
        Ok(Self(folder))
    }

    /// Its root.
    pub fn root(&self) -> PathBuf {
        self.0.path().join("root")
    }
}

/// Installs, runs, upgrades, removes and purges a .deb or an .rpm.
pub fn package(debian: &Debian, package: &Path) -> Result<()> {
    let name = package.file_name().unwrap_or_default();
    progress::step(&name.to_string_lossy());
    let script = debian.0.path().join("trial.sh");
    fs::write(&script, SCRIPT).with_context(|| format!("cannot write {}", script.display()))?;
    command::run(
        Command::new("unshare")
            // Ends what it started when it ends itself.
            .args(["--net", "--mount", "--pid", "--fork", "--kill-child", "sh"])
            .arg(&script)
            .arg(debian.root())
            .arg(package),
    )
    .with_context(|| format!("{} does not hold what it promises", package.display()))
}

/// What a tarball holds, in a place that goes on drop.
pub struct Unpacked {
    place: TempDir,
    name: String,
}

impl Unpacked {
    /// Unpacks it.
    pub fn new(dist: &Dist, tarball: &Path) -> Result<Self> {
        let place = tempfile::tempdir().context("cannot make a temporary folder")?;
        let extract = ["-xzf".as_ref(), tarball.as_os_str(), "-C".as_ref()];
        command::output(Command::new("tar").args(extract).arg(place.path()))?;
        let machine = dist.architecture.machine();
        let name = format!("edge-filter-{}-{machine}", dist.version);
        Ok(Self { place, name })
    }

    /// The only folder in it.
    pub fn folder(&self) -> PathBuf {
        self.place.path().join(&self.name)
    }
}

/// Installs the tarball into an empty root, twice, and purges it.
pub fn tarball(dist: &Dist, tarball: &Path) -> Result<()> {
    progress::step("the tarball");
    let unpacked = Unpacked::new(dist, tarball)?;
    let script = unpacked.folder().join("install.sh");
    let root = unpacked.place.path().join("root");
    let install = |arguments: &[&str]| {
        let mut command = Command::new("sh");
        command.arg(&script).args(arguments).env("DESTDIR", &root);
        command::output(&mut command)
    };
    let config = root.join("etc/edge-filter/config.toml");
    install(&[])?;
    let same = ["-r".as_ref(), dist.tree.as_os_str(), root.as_os_str()];
    command::output(Command::new("diff").args(same)).context("the tarball lacks something")?;
    fs::write(&config, "# mine\n").context("cannot change the configuration")?;
    install(&[])?;
    let kept = fs::read_to_string(&config).context("the configuration is gone")?;
    ensure!(
        kept == "# mine\n",
        "installing again replaced the configuration"
    );
    install(&["--purge"])?;
    let mut find = Command::new("find");
    let left = command::output(find.arg(&root).args(["-type", "f"]))?;
    ensure!(left.is_empty(), "purging left {left}");
    Ok(())
}

/// Compares what was made with its checksums.
pub fn checksums(dist: &Dist) -> Result<()> {
    let mut sums = Command::new("sha256sum");
    sums.args(["--check", "--strict", archive::CHECKSUMS]);
    command::output(sums.current_dir(&dist.folder)).map(drop)
}
