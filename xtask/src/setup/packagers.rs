//! The programs that make packages, each at one version.

use std::path::Path;

use anyhow::{Context, Result};

use crate::command;
use crate::progress::say;
use crate::workspace::Workspace;

/// Crate and version. Another version is another package: reviewed, then changed here.
const PACKAGERS: [(&str, &str); 3] = [
    ("cargo-deb", "3.8.0"),
    ("cargo-generate-rpm", "0.21.1"),
    ("cargo-cyclonedx", "0.5.9"),
];

/// Installs each into the workspace's tools folder unless this version is there.
pub fn ensure(workspace: &Workspace) -> Result<()> {
    PACKAGERS
        .into_iter()
        .filter(|(name, version)| !is_installed(workspace.tools(), name, version))
        .try_for_each(|(name, version)| install(workspace, name, version))
}

/// What cargo has noted down: not every one of them tells its version.
fn is_installed(tools: &Path, name: &str, version: &str) -> bool {
    let noted = std::fs::read_to_string(tools.join(".crates.toml")).unwrap_or_default();
    noted.contains(&format!("\"{name} {version} ")) && tools.join("bin").join(name).is_file()
}

fn install(workspace: &Workspace, name: &str, version: &str) -> Result<()> {
    say(&format!(
        "installing {name} {version} into {} (some minutes)",
        workspace.tools().display()
    ));
    command::run(
        command::cargo(workspace.root())
            .args(["install", name, "--version", version])
            .args(["--locked", "--force"])
            .args(command::quiet())
            .arg("--root")
            .arg(workspace.tools())
            .env_remove("CARGO_BUILD_TARGET"),
    )
    .with_context(|| format!("cannot install {name} from crates.io"))
}
