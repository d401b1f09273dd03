//! The .deb and the .rpm, from the tree, by what `filter-user/Cargo.toml` says of them.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::{Dist, only_file};
use crate::command;
use crate::progress;
use crate::workspace::Workspace;

/// Makes the .deb.
pub fn deb(workspace: &Workspace, dist: &Dist) -> Result<PathBuf> {
    progress::step("the .deb");
    let mut cargo = command::cargo(workspace.root());
    cargo
        .args(["deb", "--package", "filter-user"])
        .args(["--no-build", "--no-strip", "--quiet", "--output"])
        .arg(&dist.folder)
        .env("PATH", workspace.path_with_tools()?);
    if let Some(triple) = dist.architecture.triple() {
        cargo.args(["--target", triple]);
    }
    command::run(&mut cargo).context("cannot make the .deb")?;
    only_file(&dist.folder, ".deb")
}

/// Makes the .rpm.
pub fn rpm(workspace: &Workspace, dist: &Dist) -> Result<PathBuf> {
    progress::step("the .rpm");
    command::run(
        command::cargo(workspace.root())
            .args(["generate-rpm", "--package", "filter-user"])
            .args(["--arch", dist.architecture.machine(), "--output"])
            .arg(&dist.folder)
            .env("PATH", workspace.path_with_tools()?),
    )
    .context("cannot make the .rpm")?;
    only_file(&dist.folder, ".rpm")
}
