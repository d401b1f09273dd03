//! `cargo xtask dist`: packages, a tarball, what is in them, and their checksums, in `target/dist`.
//!
//! Everything is laid out once, in `target/dist/tree`; each package is made from it. The binary
//! is the release build that the tests run, stripped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::command::{self, say};
use crate::setup::{self, Needs};
use crate::workspace::Workspace;
use crate::{build, environment};

mod archive;
mod packages;
mod sbom;
mod tree;
mod trial;

/// Options of `cargo xtask dist`.
#[derive(clap::Args)]
pub struct Options {
    /// Also install, run, remove and purge what was made, in a Debian of its own (as root)
    #[arg(long)]
    check: bool,
}

/// What is made, and where.
pub struct Dist {
    /// `target/dist`.
    folder: PathBuf,
    /// What packages install, from the root down.
    tree: PathBuf,
    /// Of the workspace.
    version: String,
    /// As the kernel calls this machine, `x86_64`.
    machine: &'static str,
}

/// Installs what is missing, builds, and makes everything.
pub fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    if options.check {
        environment::check()?;
    }
    setup::ensure(workspace, Needs::Packages)?;
    build::everything(workspace)?;
    let dist = Dist::begin(workspace)?;
    tree::lay_out(workspace, &dist)?;
    let made = [
        packages::deb(workspace, &dist)?,
        packages::rpm(workspace, &dist)?,
        archive::tarball(workspace, &dist)?,
        sbom::make(workspace, &dist)?,
    ];
    archive::checksums(&dist, &made)?;
    if options.check {
        let debian = trial::Debian::new()?;
        trial::package(&debian, &made[0])?;
        trial::package(&debian, &made[1])?;
        trial::tarball(&dist, &made[2])?;
        trial::checksums(&dist)?;
    }
    for file in &made {
        say(&format!("made {}", file.display()));
    }
    Ok(())
}

impl Dist {
    /// An empty folder.
    fn begin(workspace: &Workspace) -> Result<Self> {
        // The assets of the packages are named relative to the checkout.
        let folder = workspace.root().join("target/dist");
        if folder.exists() {
            fs::remove_dir_all(&folder)
                .with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        let tree = folder.join("tree");
        fs::create_dir_all(&tree).with_context(|| format!("cannot make {}", tree.display()))?;
        let version = command::output(Command::new(workspace.edge_filter()).arg("--version"))?;
        let version = version.trim().strip_prefix("edge-filter ");
        Ok(Self {
            folder,
            tree,
            version: version.context("edge-filter tells no version")?.to_owned(),
            machine: std::env::consts::ARCH,
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
