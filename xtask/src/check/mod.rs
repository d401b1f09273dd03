//! `cargo xtask check`: what must hold before a commit, short of the tests.
//!
//! Needs no root and, but for what set-up downloads, no network.

use std::process::Command;

use anyhow::{Context, Result};

use crate::bpf_object::{self, Variant};
use crate::command;
use crate::progress::say;
use crate::setup::{self, Needs};
use crate::workspace::Workspace;

mod advisories;
mod dependencies;
mod policy;
mod yanked;

/// Runs every check; the first that fails ends it.
pub fn run(workspace: &Workspace) -> Result<()> {
    for (component, subcommand) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        command::output(cargo(workspace).args([subcommand, "--version"])).with_context(|| {
            format!("the toolchain lacks {component}; run `rustup component add {component}`")
        })?;
    }
    say("check: format");
    command::run(cargo(workspace).args(["fmt", "--all", "--", "--check"]))
        .context("some file is not formatted; run `cargo fmt --all`")?;
    dependencies::check(workspace)?;
    yanked::check(workspace)?;
    advisories::check(workspace)?;
    setup::ensure(workspace, Needs::Build)?;
    say("check: lints on host code");
    command::run(cargo(workspace).args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))?;
    say("check: lints on the packet program, as compiled for the kernel");
    Variant::ALL
        .into_iter()
        .try_for_each(|variant| bpf_object::clippy(workspace, variant))?;
    say("check: documentation of the code");
    command::run(
        cargo(workspace)
            .args(["doc", "--no-deps", "--workspace"])
            .env("RUSTDOCFLAGS", "-D warnings"),
    )?;
    say("check: all is well");
    Ok(())
}

fn cargo(workspace: &Workspace) -> Command {
    command::cargo(workspace.root())
}
