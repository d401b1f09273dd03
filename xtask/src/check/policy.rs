//! `deny.toml` as typed: the one place that says what may be depended upon.

use std::fs;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::workspace::Workspace;

/// The parts of `deny.toml` that are checked here; cargo-deny reads the rest.
#[derive(Deserialize)]
pub struct Policy {
    /// Accepted licences.
    pub licenses: Licenses,
    /// Where crates may come from.
    pub sources: Sources,
    /// Known problems that were judged.
    pub advisories: Advisories,
}

/// `[licenses]`
#[derive(Deserialize)]
pub struct Licenses {
    /// SPDX identifiers.
    pub allow: Vec<String>,
    /// What single crates may have besides.
    #[serde(default)]
    pub exceptions: Vec<Exception>,
}

/// `[[licenses.exceptions]]`
#[derive(Deserialize)]
pub struct Exception {
    /// Name of the crate.
    #[serde(rename = "crate")]
    pub name: String,
    /// SPDX identifiers.
    pub allow: Vec<String>,
}

/// `[sources]`
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Sources {
    /// Index URLs of registries.
    pub allow_registry: Vec<String>,
}

/// `[advisories]`
#[derive(Deserialize)]
pub struct Advisories {
    /// Advisories that do not apply, with the reason.
    pub ignore: Vec<Ignored>,
}

/// One judged advisory.
#[derive(Deserialize)]
pub struct Ignored {
    /// Its identifier in the RustSec database.
    pub id: String,
}

impl Policy {
    /// Reads `deny.toml` at the workspace's root.
    pub fn read(workspace: &Workspace) -> Result<Self> {
        let path = workspace.root().join("deny.toml");
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("cannot use {}", path.display()))
    }
}
