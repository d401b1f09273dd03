//! The .deb and the .rpm, from the tree, by what `filter-user/Cargo.toml` says of them.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::{Dist, only_file};
use crate::command::{self, say};
use crate::workspace::Workspace;

/// Makes the .deb.
pub fn deb(workspace: &Workspace, dist: &Dist) -> Result<PathBuf> {
    say("making the .deb");
    command::run(
        command::cargo(workspace.root())
            .args([
                "deb",
                "--package",
                "filter-user",
                "--no-build",
                "--no-strip",
            ])
            .args(["--quiet", "--output"])
            .arg(&dist.folder)
            .env("PATH", workspace.path_with_tools()?),
    )
    .context("cannot make the .deb")?;
    only_file(&dist.folder, ".deb")
}

/// Makes the .rpm.
pub fn rpm(workspace: &Workspace, dist: &Dist) -> Result<PathBuf> {
    say("making the .rpm");
    command::run(
        command::cargo(workspace.root())
            .args(["generate-rpm", "--package", "filter-user", "--output"])
            .arg(&dist.folder)
            .env("PATH", workspace.path_with_tools()?),
    )
    .context("cannot make the .rpm")?;
    only_file(&dist.folder, ".rpm")
}
