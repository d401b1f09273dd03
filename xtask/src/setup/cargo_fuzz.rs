//! What builds fuzz targets and starts them: cargo-fuzz, at one version.

use std::process::Command;

use anyhow::{Context, Result};

use crate::command;
use crate::progress::say;
use crate::workspace::Workspace;

/// What the figures of docs/fuzzing.md were made with.
const VERSION: &str = "0.13.2";

/// Installs cargo-fuzz into the workspace's tools folder unless this version is there.
pub fn ensure(workspace: &Workspace) -> Result<()> {
    if installed_version(workspace).as_deref() == Some(VERSION) {
        return Ok(());
    }
    say(&format!(
        "installing cargo-fuzz {VERSION} into {} (about a minute)",
        workspace.tools().display()
    ));
    command::run(
        command::cargo(workspace.root())
            .args(["install", "cargo-fuzz", "--version", VERSION])
            .args(["--locked", "--force"])
            .args(command::quiet())
            .arg("--root")
            .arg(workspace.tools())
            .env_remove("CARGO_BUILD_TARGET"),
    )
    .context(
        "cannot install cargo-fuzz; it comes from crates.io: check the network (or the proxy in \
         CARGO_HTTP_PROXY), then run `cargo xtask fuzz` again",
    )
}

fn installed_version(workspace: &Workspace) -> Option<String> {
    let text = command::output(Command::new(workspace.cargo_fuzz()).arg("--version")).ok()?;
    Some(text.trim().strip_prefix("cargo-fuzz ")?.to_owned())
}
