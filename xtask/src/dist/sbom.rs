//! The bill of materials: every crate in the binary, as CycloneDX.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Dist;
use crate::command::{self, say};
use crate::workspace::Workspace;

/// Name without the ending that the tool adds.
const NAME: &str = "edge-filter.cdx";

/// Makes `edge-filter.cdx.json`.
pub fn make(workspace: &Workspace, dist: &Dist) -> Result<PathBuf> {
    say("making the bill of materials");
    let package = workspace.root().join("filter-user");
    let made = command::run(
        command::cargo(workspace.root())
            .args(["cyclonedx", "--quiet", "--format", "json"])
            .args(["--spec-version", "1.5", "--no-build-deps"])
            .args(["--override-filename", NAME, "--manifest-path"])
            .arg(package.join("Cargo.toml"))
            .env("PATH", workspace.path_with_tools()?),
    );
    let file = format!("{NAME}.json");
    let to = dist.folder.join(&file);
    let moved = made
        .context("cannot make the bill of materials")
        .and_then(|()| {
            fs::copy(package.join(&file), &to)
                .with_context(|| format!("cannot write {}", to.display()))
        });
    // The tool writes one into the folder of each member of the workspace.
    for member in [
        "filter-common",
        "filter-ebpf",
        "filter-user",
        "tests",
        "xtask",
    ] {
        let _ = fs::remove_file(workspace.root().join(member).join(&file));
    }
    moved?;
    let text = fs::read_to_string(&to).with_context(|| format!("cannot read {}", to.display()))?;
    let bill: Value = serde_json::from_str(&text).context("the bill of materials is no JSON")?;
    let names: Vec<_> = bill["components"]
        .as_array()
        .context("the bill of materials lists nothing")?
        .iter()
        .filter_map(|component| component["name"].as_str())
        .collect();
    for needed in ["aya", "tokio", "filter-ebpf"] {
        ensure!(
            names.contains(&needed),
            "{needed} is not in the bill of materials"
        );
    }
    Ok(to)
}
