//! `cargo xtask test`.
use crate::workspace::Workspace;
use anyhow::Result;
/// Options.
#[derive(clap::Args)]
pub struct Options {}
/// Runs.
pub fn run(_w: &Workspace, _o: &Options) -> Result<()> {
    crate::environment::check()
}
