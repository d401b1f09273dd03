//! Known vulnerabilities of locked versions, from a clone of the RustSec advisory database.
//!
//! The database cannot be had from a package registry, so the check is only as good as the clone
//! on this machine; where there is none it says so and how to get one, and does not fail.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use semver::{Version, VersionReq};
use serde::Deserialize;

use crate::check::dependencies;
use crate::check::policy::Policy;
use crate::progress::say;
use crate::workspace::Workspace;

/// Names a clone of the database; else the places of cargo-audit and of a clone by hand are tried.
const VARIABLE: &str = "EDGE_FILTER_ADVISORY_DB";
const SOURCE: &str = "https://github.com/RustSec/advisory-db";

#[derive(Deserialize)]
struct Entry {
    advisory: Advisory,
    #[serde(default)]
    versions: Versions,
}

#[derive(Deserialize)]
struct Advisory {
    id: String,
    withdrawn: Option<String>,
    /// "unmaintained", "notice": told, but not an error. "unsound" is one.
    informational: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Versions {
    patched: Vec<VersionReq>,
    unaffected: Vec<VersionReq>,
}

impl Versions {
    fn affects(&self, version: &Version) -> bool {
        !self
            .patched
            .iter()
            .chain(&self.unaffected)
            .any(|range| range.matches(version))
    }
}

/// Fails with the advisories that apply to a locked version and are not judged in `deny.toml`.
pub fn check(workspace: &Workspace) -> Result<()> {
    say("check: advisories");
    let Some(database) = database(workspace) else {
        say(&format!(
            "note: advisories are NOT checked: no database here; get one with `git clone --depth 1 \
             {SOURCE} {}`, or run `cargo deny check advisories`",
            clone_by_hand(workspace).display()
        ));
        return Ok(());
    };
    let ignored = Policy::read(workspace)?.advisories.ignore;
    let mut found = Vec::new();
    for package in dependencies::packages(workspace)? {
        if package.source.is_none() {
            continue;
        }
        let version = Version::parse(&package.version)
            .with_context(|| format!("version of {}", package.name))?;
        for entry in entries(&database.join("crates").join(&package.name))? {
            let id = &entry.advisory.id;
            if entry.advisory.withdrawn.is_some()
                || !entry.versions.affects(&version)
                || ignored.iter().any(|judged| judged.id == *id)
            {
                continue;
            }
            let finding = format!("{id}: {} {version}", package.name);
            match entry.advisory.informational.as_deref() {
                None | Some("unsound") => found.push(finding),
                Some(kind) => say(&format!("note: {finding} ({kind})")),
            }
        }
    }
    if !found.is_empty() {
        bail!(
            "known vulnerabilities:\n  {}\nrun `cargo update` for them, or judge them in deny.toml",
            found.join("\n  ")
        );
    }
    Ok(())
}

fn database(workspace: &Workspace) -> Option<PathBuf> {
    let named = env::var_os(VARIABLE).map(PathBuf::from);
    let of_cargo_audit = env::home_dir().map(|home| home.join(".cargo/advisory-db"));
    [named, Some(clone_by_hand(workspace)), of_cargo_audit]
        .into_iter()
        .flatten()
        .find(|folder| folder.join("crates").is_dir())
}

fn clone_by_hand(workspace: &Workspace) -> PathBuf {
    workspace.target().join("advisory-db")
}

/// The advisories of one crate; most crates have no folder.
fn entries(folder: &Path) -> Result<Vec<Entry>> {
    let Ok(files) = fs::read_dir(folder) else {
        return Ok(Vec::new());
    };
    files
        .filter_map(|file| Some(file.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .map(|path| {
            let text = fs::read_to_string(&path)?;
            parse(&text)
                .with_context(|| format!("cannot understand the advisory {}", path.display()))
        })
        .collect()
}

/// An advisory is Markdown that opens with a fenced block of TOML.
fn parse(text: &str) -> Result<Entry> {
    let front = text
        .split_once("```toml")
        .and_then(|(_, rest)| rest.split_once("```"))
        .map(|(front, _)| front)
        .context("it has no block of TOML")?;
    Ok(toml::from_str(front)?)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn only_versions_between_unaffected_and_patched_are_affected() {
        let text = "```toml\n[advisory]\nid = \"RUSTSEC-0000-0000\"\n[versions]\n\
                    patched = [\">= 1.5.1, < 1.6.0\", \">= 1.8.1\"]\n\
                    unaffected = [\"< 0.3.0\"]\n```\n# Title";
        let entry = parse(text).unwrap();
        for (version, is_affected) in [
            ("0.2.9", false),
            ("0.3.0", true),
            ("1.5.1", false),
            ("1.6.0", true),
            ("1.8.1", false),
        ] {
            assert_eq!(
                entry.versions.affects(&version.parse().unwrap()),
                is_affected,
                "{version}"
            );
        }
    }
}
