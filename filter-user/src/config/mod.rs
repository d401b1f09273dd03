//! The config's way: text -> `file` (as typed) -> `policy` (valid).
//!
//! Every error is collected, each with its place; nothing but `files` and `host` touches the
//! system, so that tests and fuzzers run the same chain without a file.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod capacity;
mod claims;
mod diagnostic;
mod file;
mod files;
mod host;
mod keys;
mod list_file;
mod lists;
mod manual;
mod names;
mod overrides;
mod places;
pub mod policy;
mod ports;
pub(crate) mod prefix;
mod protocols;
mod rates;
mod reader;
mod reference;
mod render;
mod seen;
mod services;
mod sources;
mod summary;
mod validate;
mod warnings;

pub use diagnostic::{Diagnostic, Errors, Place, Severity};
pub use files::{ReadFile, SourceFile, read_bounded};
pub use host::HostFacts;
pub use manual::manual;
pub use places::{At, Key, Mention, Places, Set};
pub(crate) use ports::parse_ports;
pub(crate) use protocols::{is_ipv6_extension, parse_protocol};
pub use reference::reference;
pub use render::{render, use_color};
pub use summary::{ListSummary, RateSummary, ServiceSummary, Summary};

use diagnostic::Findings;
use policy::Policy;
use std::path::{Path, PathBuf};

/// A configuration that may be put in force.
#[derive(Debug)]
pub struct Loaded {
    /// What it says.
    pub policy: Policy,
    /// What is allowed but worth a word.
    pub warnings: Vec<Diagnostic>,
    /// The configuration and its list files with their text, in that order: what to watch, and
    /// what to keep as the last good copy (`load_from` reads it back from there).
    pub sources: Vec<SourceFile>,
}

impl Loaded {
    /// The configuration and its list files, in that order.
    pub fn files(&self) -> Vec<PathBuf> {
        self.sources.iter().map(|s| s.path.clone()).collect()
    }
}

/// Reads, parses and validates the configuration at `path` with the lists that it names.
pub fn load(path: &Path, host: &HostFacts) -> Result<Loaded, Errors> {
    let bytes = files::read_config(path).map_err(|error| Errors::unreadable(path, &error))?;
    load_from(path, &bytes, &read_bounded, host)
}

/// As `load`, of a regular file alone: for the daemon, which a pipe would hold up.
pub fn load_regular(path: &Path, host: &HostFacts) -> Result<Loaded, Errors> {
    let bytes = read_bounded(path).map_err(|error| Errors::unreadable(path, &error))?;
    load_from(path, &bytes, &read_bounded, host)
}

/// As `load`, with the configuration's bytes given and every other file read through `read`.
pub fn load_from(
    path: &Path,
    bytes: &[u8],
    read: &ReadFile<'_>,
    host: &HostFacts,
) -> Result<Loaded, Errors> {
    let text = files::utf8(path, bytes)?;
    let findings = Findings::default();

    let Some(config) = file::parse(text, &findings) else {
        return Err(Errors {
            diagnostics: findings.into_diagnostics(path, text),
            files: vec![path.to_path_buf()],
        });
    };
    let lists = lists::read(&config.lists, path, read, &findings);
    let policy = validate::policy(&config, lists.lists, &findings);
    warnings::find(&config, &policy, host, &findings);

    if findings.has_errors() || !lists.errors.is_empty() {
        let mut diagnostics = findings.into_diagnostics(path, text);
        diagnostics.extend(lists.errors);
        let list_files = policy.lists.into_iter().filter_map(|list| list.file);
        let files = std::iter::once(path.to_path_buf()).chain(list_files);
        return Err(Errors {
            diagnostics,
            files: files.collect(),
        });
    }
    let mut sources = vec![SourceFile::new(path, text)];
    sources.extend(lists.sources);
    Ok(Loaded {
        policy,
        warnings: findings.into_diagnostics(path, text),
        sources,
    })
}
