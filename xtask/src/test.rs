//! `cargo xtask test`: host, BPF test runs and network namespaces, all as plain `cargo test`.
//!
//! Tests and the binary that they start are built with overflow checks. The packet programs are the
//! ones that ship; the binary that ships runs in all of `cargo xtask kernel-matrix`.

use anyhow::{Context, Result};

use crate::command;
use crate::progress::say;
use crate::setup::{self, Needs};
use crate::workspace::Workspace;
use crate::{build, environment};

/// Many tests in network namespaces wait for a deadline, most of the others for the verifier.
const THREADS: &str = "4";

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
    build::for_tests(workspace)?;
    say("building and running the tests (some minutes the first time)");
    command::run(
        command::cargo(workspace.root())
            .args(["test", "--workspace", "--no-fail-fast", "--"])
            .arg(format!("--test-threads={THREADS}"))
            .args(&options.arguments)
            .args(&options.filter)
            .env("EDGE_FILTER_BIN", workspace.edge_filter_checked())
            .env("EDGE_FILTER_NEXT_BIN", workspace.edge_filter_next_abi())
            .env("EDGE_FILTER_OBJECT_DIR", workspace.objects()),
    )
    .context("not every test passed")
}
