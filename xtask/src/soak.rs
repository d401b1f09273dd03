//! `cargo xtask soak`: what takes minutes and is not run for each commit: reloads by the clock under
//! a flood.

use anyhow::{Context, Result};

use crate::command;
use crate::progress::say;
use crate::setup::{self, Needs};
use crate::workspace::Workspace;
use crate::{build, environment};

/// Builds, and runs the tests that are otherwise left out, one after the other.
pub fn run(workspace: &Workspace) -> Result<()> {
    environment::check()?;
    setup::ensure(workspace, Needs::Tests)?;
    build::everything(workspace)?;
    say("a reload every 100 ms for a minute, under a flood");
    command::run(
        command::cargo(workspace.root())
            .args(["test", "--package", "edge-filter-tests", "--test", "netns"])
            .args([
                "--",
                "--ignored",
                "--nocapture",
                "--test-threads=1",
                "leaks::",
            ])
            .env("EDGE_FILTER_BIN", workspace.edge_filter())
            .env("EDGE_FILTER_OBJECT_DIR", workspace.objects()),
    )
    .context("something leaks, or was not to be had")
}
