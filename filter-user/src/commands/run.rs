//! `run`: the daemon, in the foreground.

use super::Failure;
use crate::cli::{PathOptions, RunOptions};
use crate::daemon;
use anyhow::Context as _;

pub(super) fn run(options: &RunOptions, paths: &PathOptions) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    runtime.block_on(async {
        let daemon = daemon::start(options, paths).await?;
        Ok(daemon.run().await?)
    })
}
