//! No locked version may have been yanked from crates.io, as far as cargo's own index cache tells.
//!
//! cargo keeps what it last read of the index; a dry-run update refreshes it where there is a
//! network. A crate that is not in the cache is counted, not guessed.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};
use serde::Deserialize;

use crate::check::dependencies::{self, Package};
use crate::command;
use crate::progress::say;
use crate::workspace::Workspace;

/// Where there is no network cargo would retry for minutes.
const REFRESH_LIMIT_SECONDS: &str = "30";

/// One version in a crate's index entry.
#[derive(Deserialize)]
struct Release {
    vers: String,
    yanked: bool,
}

/// Fails with the list of locked versions that were yanked.
pub fn check(workspace: &Workspace) -> Result<()> {
    say("check: yanked versions");
    refresh(workspace.root());
    let caches = caches();
    let mut unknown = 0;
    let mut yanked = Vec::new();
    for package in dependencies::packages(workspace)? {
        if package.source.is_none() {
            continue;
        }
        match is_yanked(&package, &caches) {
            Some(true) => yanked.push(format!("{} {}", package.name, package.version)),
            Some(false) => {}
            None => unknown += 1,
        }
    }
    if unknown > 0 {
        say(&format!(
            "note: {unknown} crates are not in cargo's index cache; not known whether yanked"
        ));
    }
    if !yanked.is_empty() {
        bail!(
            "yanked from crates.io: {}; run `cargo update` for them",
            yanked.join(", ")
        );
    }
    Ok(())
}

/// Best effort: without a network the cache stays as it is.
fn refresh(root: &Path) {
    let cargo = command::cargo(root);
    let refreshed = command::output(
        Command::new("timeout")
            .arg(REFRESH_LIMIT_SECONDS)
            .arg(cargo.get_program())
            .args(["update", "--dry-run", "--quiet"])
            .current_dir(root),
    );
    if refreshed.is_err() {
        say("note: the crates.io index cannot be reached; judging by what cargo has cached");
    }
}

/// Folders that hold index entries, by the layout of cargo's sparse registries.
fn caches() -> Vec<PathBuf> {
    let home = env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(env::home_dir()?.join(".cargo")));
    let Some(Ok(registries)) = home.map(|home| fs::read_dir(home.join("registry/index"))) else {
        return Vec::new();
    };
    registries
        .filter_map(|entry| Some(entry.ok()?.path().join(".cache")))
        .collect()
}

fn is_yanked(package: &Package, caches: &[PathBuf]) -> Option<bool> {
    let entry = caches
        .iter()
        .find_map(|cache| fs::read(cache.join(index_path(&package.name))).ok())?;
    // A header, then `version NUL json NUL` for each release.
    entry
        .split(|byte| *byte == 0)
        .filter(|part| part.starts_with(b"{"))
        .filter_map(|part| serde_json::from_slice::<Release>(part).ok())
        .find(|release| release.vers == package.version)
        .map(|release| release.yanked)
}

/// `se/rd/serde`, `3/n/nix`: the index's own folders (Cargo reference, "Index files").
fn index_path(name: &str) -> PathBuf {
    let name = name.to_lowercase();
    match name.len() {
        length @ 1..=2 => Path::new(&length.to_string()).join(name),
        3 => Path::new("3").join(&name[..1]).join(name),
        _ => Path::new(&name[..2]).join(&name[2..4]).join(name),
    }
}

#[cfg(test)]
mod tests {
    use super::index_path;

    #[test]
    fn index_entries_are_where_cargo_puts_them() {
        assert_eq!(index_path("a").to_str(), Some("1/a"));
        assert_eq!(index_path("cc").to_str(), Some("2/cc"));
        assert_eq!(index_path("nix").to_str(), Some("3/n/nix"));
        assert_eq!(index_path("Inflector").to_str(), Some("in/fl/inflector"));
    }
}
