//! `cargo xtask differential`: random policies and packets, judged by the loaded program and by the
//! naive oracle, by test run and over a veth pair.

use std::time::SystemTime;

use anyhow::{Context, Result};

use crate::command;
use crate::progress::say;
use crate::setup::{self, Needs};
use crate::workspace::Workspace;
use crate::{build, environment};

/// Options of `cargo xtask differential`.
#[derive(clap::Args)]
pub struct Options {
    /// Packets by test run
    #[arg(long, value_name = "NUMBER", default_value_t = 10_000_000)]
    cases: u64,
    /// Packets over a veth pair
    #[arg(long, value_name = "NUMBER", default_value_t = 200_000)]
    packets: u64,
    /// Of the first policy; by default another each time
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
}

/// Builds, and runs until the first disagreement.
pub fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    environment::check()?;
    setup::ensure(workspace, Needs::Tests)?;
    build::everything(workspace)?;
    let seed = match options.seed {
        Some(seed) => seed,
        None => SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)?
            .as_secs(),
    };
    say(&format!(
        "seed {seed}: {} packets by test run, {} over a wire",
        options.cases, options.packets
    ));
    let numbers = [seed, options.cases, options.packets].map(|number| number.to_string());
    command::run(
        command::cargo(workspace.root())
            .args([
                "run",
                "--quiet",
                "--release",
                "--package",
                "edge-filter-tests",
            ])
            .args(["--bin", "differential", "--"])
            .args(numbers)
            .env("EDGE_FILTER_OBJECT_DIR", workspace.objects()),
    )
    .context("not everything agrees")
}
