//! `cargo xtask sizes`: what the packet programs weigh on this kernel, into the table that a test
//! compares with.

use anyhow::{Context, Result};

use crate::build;
use crate::command;
use crate::environment;
use crate::progress::say;
use crate::setup::{self, Needs};
use crate::workspace::Workspace;

/// Builds the programs and writes the table.
pub fn run(workspace: &Workspace) -> Result<()> {
    environment::check()?;
    setup::ensure(workspace, Needs::Build)?;
    build::objects(workspace)?;
    command::run(
        command::cargo(workspace.root())
            .args(["test", "--quiet", "--package", "edge-filter-tests"])
            .args(["--test", "program_sizes"])
            .env("EDGE_FILTER_OBJECT_DIR", workspace.objects())
            .env("EDGE_FILTER_UPDATE_SIZES", "1"),
    )
    .context("the programs cannot be weighed")?;
    say("written: tests/program_sizes.toml");
    Ok(())
}
