//! `cargo xtask test`: host, BPF test runs and network namespaces, all as plain `cargo test`.
//!
//! Tests are built with overflow checks; the binary and the packet programs that the namespace
//! tests start are the ones that ship.

use anyhow::{Context, Result};

use crate::command;
use crate::progress::say;
use crate::setup::{self, Needs};
use crate::workspace::Workspace;
use crate::{build, environment};

/// Namespace tests measure rates: more of them at once than cores would disturb each other.
const THREADS: &str = "2";

/// Options of `cargo xtask test`.
#[derive(clap::Args)]
pub struct Options {
    /// Only tests whose name contains this
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Further arguments for each test program, such as `--nocapture`
    #[arg(last = true, value_name = "ARGUMENT")]
    arguments: Vec<String>,
}

/// Installs what is missing, builds, and runs every test.
pub fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    environment::check()?;
    setup::ensure(workspace, Needs::Tests)?;
    build::everything(workspace)?;
    build::next_abi(workspace)?;
    say("building and running the tests (some minutes the first time)");
    command::run(
        command::cargo(workspace.root())
            .args(["test", "--workspace", "--no-fail-fast", "--"])
            .arg(format!("--test-threads={THREADS}"))
            .args(&options.arguments)
            .args(&options.filter)
            .env("EDGE_FILTER_BIN", workspace.edge_filter())
            .env("EDGE_FILTER_NEXT_BIN", workspace.edge_filter_next_abi())
            .env("EDGE_FILTER_OBJECT_DIR", workspace.objects()),
    )
    .context("not every test passed")
}
