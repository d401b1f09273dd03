//! The linker of the packet program, at the one version that fits the pinned compiler.

use std::process::Command;

use anyhow::{Context, Result};

use crate::command;
use crate::progress::say;
use crate::workspace::Workspace;

/// It loads rustc's own libLLVM. 0.11 and later need a system LLVM instead.
const VERSION: &str = "0.10.3";

/// Installs bpf-linker into the workspace's tools folder unless this version is there.
pub fn ensure(workspace: &Workspace) -> Result<()> {
    if installed_version(workspace).as_deref() == Some(VERSION) {
        return Ok(());
    }
    say(&format!(
        "installing bpf-linker {VERSION} into {} (one to two minutes)",
        workspace.tools().display()
    ));
    command::run(
        command::cargo(workspace.root())
            .args(["install", "bpf-linker", "--version", VERSION])
            .args(["--locked", "--force"])
            .args(command::quiet())
            .arg("--root")
            .arg(workspace.tools())
            // Its folder is not on PATH and need not be; a build for another target would be.
            .env_remove("CARGO_BUILD_TARGET"),
    )
    .context(
        "cannot install bpf-linker; it comes from crates.io: check the network (or the proxy in \
         CARGO_HTTP_PROXY), then run `cargo xtask setup` again",
    )
}

fn installed_version(workspace: &Workspace) -> Option<String> {
    let text = command::output(Command::new(workspace.bpf_linker()).arg("--version")).ok()?;
    Some(text.trim().strip_prefix("bpf-linker ")?.to_owned())
}
