//! The bill of materials: every crate in the binary, as CycloneDX.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Dist;
use crate::command;
use crate::progress;
use crate::workspace::Workspace;

/// Name without the ending that the tool adds.
const NAME: &str = "edge-filter.cdx";

/// Makes `edge-filter.cdx.json`.
pub fn make(workspace: &Workspace, dist: &Dist) -> Result<PathBuf> {
    progress::step("the bill of materials");
    let package = workspace.root().join("filter-user");
    let mut cargo = command::cargo(workspace.root());
    cargo
        .args(["cyclonedx", "--quiet", "--format", "json"])
        .args(["--spec-version", "1.5", "--no-build-deps"])
        .args(["--override-filename", NAME, "--manifest-path"])
        .arg(package.join("Cargo.toml"))
        .env("PATH", workspace.path_with_tools()?);
    if let Some(triple) = dist.architecture.triple() {
        cargo.args(["--target", triple]);
    }
    let made = command::run(&mut cargo);
    let file = format!("{NAME}.json");
    let to = dist.folder.join(&file);
    let moved = made
        .context("cannot make the bill of materials")
        .and_then(|()| {
            fs::copy(package.join(&file), &to)
                .with_context(|| format!("cannot write {}", to.display()))
        });
    // The tool writes one into the folder of each member of the workspace.
    for member in members(workspace)? {
        // Where it failed there is none.
        let _ = fs::remove_file(member.with_file_name(&file));
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

/// Their `Cargo.toml`s.
fn members(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    let mut metadata = command::cargo(workspace.root());
    let text = command::output(metadata.args(["metadata", "--no-deps", "--format-version=1"]))?;
    let metadata: Value = serde_json::from_str(&text).context("cargo metadata is no JSON")?;
    let packages = metadata["packages"].as_array();
    let paths = packages.into_iter().flatten();
    Ok(paths
        .filter_map(|package| Some(package["manifest_path"].as_str()?.into()))
        .collect())
}
