//! demo
use crate::workspace::Workspace;
use anyhow::Result;
/// Runs.
pub fn run(_w: &Workspace) -> Result<()> {
    Ok(())
}
