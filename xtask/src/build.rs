//! `cargo xtask build`: the packet program first, then the binary that carries it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::bpf_object::{self, Variant};
use crate::command;
use crate::progress::{self, say};
use crate::setup::{self, Needs};
use crate::workspace::Workspace;

/// Options of `cargo xtask build`.
#[derive(clap::Args)]
pub struct Options {
    /// Only the packet programs, not the binary
    #[arg(long)]
    objects_only: bool,
}

/// Installs what is missing, then builds everything that a user runs.
pub fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    setup::ensure(workspace, Needs::Build)?;
    if options.objects_only {
        return objects(workspace);
    }
    everything(workspace)?;
    say(&format!("built {}", workspace.edge_filter().display()));
    Ok(())
}

/// Builds packet programs and the release binary; `setup` has been done.
pub fn everything(workspace: &Workspace) -> Result<()> {
    let _part = progress::begin("build", Some(Variant::BUILT.len() + 1));
    place_objects(workspace)?;
    progress::step("edge-filter (some minutes the first time)");
    command::run(&mut release(workspace)).context("cannot build edge-filter")
}

/// Builds what tests start: the packet programs, the binary with overflow checks, and the same as if
/// of the next ABI; and the tests, whose build has that binary in it. `setup` has been done.
pub fn for_tests(workspace: &Workspace) -> Result<()> {
    let _part = progress::begin("build", Some(Variant::BUILT.len() + 2));
    place_objects(workspace)?;
    progress::step("tests, and edge-filter with overflow checks (some minutes the first time)");
    command::run(command::cargo(workspace.root()).args(["test", "--workspace", "--no-run"]))
        .context("cannot build the tests")?;
    keep(workspace, &workspace.edge_filter_checked())?;
    progress::step("edge-filter of the next ABI");
    next_abi(workspace)
}

/// Builds the binary as if of the next ABI, for tests of upgrades. Of the whole workspace, so that its
/// dependencies are those of the tests; not optimised, as nobody waits for it.
pub fn next_abi(workspace: &Workspace) -> Result<()> {
    let mut cargo = command::cargo(workspace.root());
    cargo.args(["build", "--workspace", "--bin", "edge-filter"]);
    cargo.args(["--features", "filter-user/next-abi"]);
    cargo.args(["--config", "profile.dev.package.filter-user.opt-level=0"]);
    command::run(&mut cargo).context("cannot build edge-filter of the next ABI")?;
    keep(workspace, &workspace.edge_filter_next_abi())
}

/// Keeps the binary that was just built where cargo will not put another in its place.
fn keep(workspace: &Workspace, kept: &Path) -> Result<()> {
    let built = workspace.target().join("debug/edge-filter");
    fs::copy(&built, kept)
        .with_context(|| format!("cannot copy {} to {}", built.display(), kept.display()))?;
    Ok(())
}

/// Builds the packet programs; `setup` has been done.
pub fn objects(workspace: &Workspace) -> Result<()> {
    let _part = progress::begin("build", Some(Variant::BUILT.len()));
    place_objects(workspace)
}

fn place_objects(workspace: &Workspace) -> Result<()> {
    Variant::BUILT
        .into_iter()
        .try_for_each(|variant| bpf_object::build(workspace, variant))
}

/// Cargo's command line for what ships.
pub fn release(workspace: &Workspace) -> Command {
    let mut cargo = command::cargo(workspace.root());
    cargo.args(["build", "--release", "--package", "filter-user"]);
    cargo.args(["--bin", "edge-filter"]);
    cargo
}
