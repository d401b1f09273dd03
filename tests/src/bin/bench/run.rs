//! Other programs, run to their end.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// What it prints.
///
/// # Errors
/// It is not there, or fails; with what it said.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{command:?}: cargo xtask bench installs it"))?;
    ensure!(
        output.status.success(),
        "{command:?}: {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
