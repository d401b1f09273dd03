//! The tarball with its install script, and the checksums of everything.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::Dist;
use crate::command;
use crate::progress;
use crate::workspace::Workspace;

/// The file with the checksums, as `sha256sum --check` reads it.
pub const CHECKSUMS: &str = "SHA256SUMS";

/// What is in the tarball beside the tree, below `config/`.
const BESIDE: [&str; 2] = ["container", "kubernetes"];

/// Makes `edge-filter-VERSION-MACHINE.tar.gz`: one folder with `install.sh`, the tree, the recipe of
/// the container and its manifests.
pub fn tarball(workspace: &Workspace, dist: &Dist) -> Result<PathBuf> {
    progress::step("the tarball");
    let name = format!(
        "edge-filter-{}-{}",
        dist.version,
        dist.architecture.machine()
    );
    let folder = dist.folder.join(&name);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    command::output(
        Command::new("cp")
            .args(["-r", "--"])
            .arg(&dist.tree)
            .arg(folder.join("root")),
    )?;
    for name in BESIDE {
        let from = workspace.root().join("config").join(name);
        let mut copy = Command::new("cp");
        command::output(copy.args(["-r", "--"]).arg(from).arg(&folder))?;
    }
    let script = workspace.root().join("config/packages/install.sh");
    fs::copy(&script, folder.join("install.sh"))
        .with_context(|| format!("cannot copy {}", script.display()))?;
    let file = dist.folder.join(format!("{name}.tar.gz"));
    command::output(
        Command::new("tar")
            .args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner"])
            .args(["-czf".as_ref(), file.as_os_str(), "-C".as_ref()])
            .arg(&dist.folder)
            .arg(&name),
    )?;
    fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    Ok(file)
}

/// Writes the checksums of these files of the folder.
pub fn checksums(dist: &Dist, files: &[PathBuf]) -> Result<()> {
    let mut command = Command::new("sha256sum");
    command.current_dir(&dist.folder).arg("--");
    for file in files {
        command.arg(file.file_name().context("it is a file")?);
    }
    let sums = command::output(&mut command)?;
    let path = dist.folder.join(CHECKSUMS);
    fs::write(&path, sums).with_context(|| format!("cannot write {}", path.display()))
}
