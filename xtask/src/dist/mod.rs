//! `cargo xtask dist`: packages, a tarball, what is in them, and their checksums, in `target/dist`.
//!
//! Everything is laid out once, in `target/dist/tree`; each package is made from it. The binary
//! is the release build that `cargo xtask kernel-matrix` runs, stripped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use architecture::Architecture;

use crate::command;
use crate::progress::{self, say};
use crate::setup::{self, Needs};
use crate::workspace::Workspace;
use crate::{build, environment};

mod architecture;
mod archive;
mod boot;
mod container;
mod emulated;
mod packages;
mod sbom;
mod tree;
mod trial;

/// Options of `cargo xtask dist`.
#[derive(clap::Args)]
pub struct Options {
    /// Also install, run, remove and purge what was made, in a Debian of its own (as root); for
    /// another architecture, run what needs no kernel under an emulator (as anybody)
    #[arg(long)]
    check: bool,
    /// Also boot a Debian whose first process is systemd, under qemu, and try the .deb there: the unit
    /// in its sandbox, boots, crashes, upgrades (as root; some ten minutes)
    #[arg(long, conflicts_with = "arch")]
    boot: bool,
    /// For which machines [default: such as this one]
    #[arg(long, value_enum)]
    arch: Option<Architecture>,
}

/// What is made, and where.
pub struct Dist {
    /// `target/dist`, and a folder in it for other architectures.
    folder: PathBuf,
    /// What packages install, from the root down.
    tree: PathBuf,
    /// Of the workspace.
    version: String,
    /// For which machines.
    architecture: Architecture,
}

/// Installs what is missing, builds, and makes everything.
pub fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let architecture = options.arch.map_or_else(Architecture::of_host, Ok)?;
    let is_foreign = architecture.is_foreign();
    if (options.check || options.boot) && !is_foreign {
        environment::check()?;
    }
    let needs = match (is_foreign, options.boot) {
        (true, _) => Needs::Arm64Packages,
        (false, true) => Needs::PackagesAndBoot,
        (false, false) => Needs::Packages,
    };
    setup::ensure(workspace, needs)?;
    build::everything(workspace)?;
    architecture.build(workspace)?;
    let dist = Dist::begin(workspace, architecture)?;
    tree::lay_out(workspace, &dist)?;
    let made = make(workspace, &dist)?;
    if options.check {
        check(workspace, &dist, &made)?;
    }
    if options.boot {
        let _part = progress::begin("boot", Some(2 + boot::BOOTS.len()));
        let [deb, ..] = &made;
        boot::package(workspace, deb)?;
    }
    for file in &made {
        say(&format!("made {}", file.display()));
    }
    Ok(())
}

/// The .deb, the .rpm, the tarball and the bill of materials, with the checksums of all.
fn make(workspace: &Workspace, dist: &Dist) -> Result<[PathBuf; 4]> {
    let _part = progress::begin("packages", Some(4));
    let made = [
        packages::deb(workspace, dist)?,
        packages::rpm(workspace, dist)?,
        archive::tarball(workspace, dist)?,
        sbom::make(workspace, dist)?,
    ];
    archive::checksums(dist, &made)?;
    Ok(made)
}

fn check(workspace: &Workspace, dist: &Dist, made: &[PathBuf; 4]) -> Result<()> {
    let [deb, rpm, tarball, _] = made;
    if dist.architecture.is_foreign() {
        let _part = progress::begin("trial", Some(2));
        emulated::package(workspace, dist, deb)?;
        trial::tarball(dist, tarball)?;
    } else {
        let _part = progress::begin("trial", Some(6));
        let debian = trial::Debian::new()?;
        trial::package(&debian, deb)?;
        trial::package(&debian, rpm)?;
        trial::tarball(dist, tarball)?;
        container::image(dist, &debian, tarball)?;
        container::manifests(workspace, dist, tarball)?;
    }
    trial::checksums(dist)
}

impl Dist {
    /// An empty folder, and an empty tree.
    fn begin(workspace: &Workspace, architecture: Architecture) -> Result<Self> {
        // The assets of the packages are named relative to the checkout.
        let top = workspace.root().join("target/dist");
        let tree = top.join("tree");
        let folder = match architecture.is_foreign() {
            true => top.join(architecture.debian()),
            false => top,
        };
        for folder in [&folder, &tree] {
            if folder.exists() {
                fs::remove_dir_all(folder)
                    .with_context(|| format!("cannot remove {}", folder.display()))?;
            }
        }
        for folder in [&folder, &tree] {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let version = command::output(Command::new(workspace.edge_filter()).arg("--version"))?;
        let version = version.trim().strip_prefix("edge-filter ");
        Ok(Self {
            folder,
            tree,
            version: version.context("edge-filter tells no version")?.to_owned(),
            architecture,
        })
    }
}

/// The only file in `folder` whose name ends so.
fn only_file(folder: &Path, ending: &str) -> Result<PathBuf> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .collect();
    ensure!(
        found.len() == 1,
        "{} holds {} files *{ending}",
        folder.display(),
        found.len()
    );
    Ok(found.remove(0))
}
