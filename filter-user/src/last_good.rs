//! The last policy that was put in force, with its lists, in one file: what stands in when the
//! configured file is not valid, at boot too.
//!
//! One line of JSON says which files there are and how long each is; then come their texts.

#![forbid(unsafe_code)]

use crate::config::{self, HostFacts, Loaded, SourceFile};
use crate::state_directory::{self, StateError};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

const FILE: &str = "last-good";

#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    files: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    path: PathBuf,
    bytes: usize,
}

/// Keeps the files of a policy that is in force.
///
/// # Errors
/// The state directory cannot be written to; the copy that was there still is.
pub fn save(state_directory: &Path, sources: &[SourceFile]) -> Result<(), StateError> {
    let path = state_directory.join(FILE);
    let files = sources.iter().map(|source| Entry {
        path: source.path.clone(),
        bytes: source.text.len(),
    });
    let header = Header {
        version: 1,
        files: files.collect(),
    };
    let header = serde_json::to_vec(&header).map_err(|source| StateError::Content {
        path: path.clone(),
        source,
    })?;
    let mut parts: Vec<&[u8]> = vec![&header, b"\n"];
    parts.extend(sources.iter().map(|source| source.text.as_bytes()));
    state_directory::write(&path, &parts)
}

/// Why the last good policy does not help.
#[derive(Debug, thiserror::Error)]
pub enum LastGoodError {
    /// The copy cannot be read.
    #[error("{path}: reading failed")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It is no longer valid, as after a change of version.
    #[error("the last good policy is not valid in this version:\n{0}")]
    Invalid(config::Errors),
}

/// The last good policy; `None` if there never was one.
///
/// # Errors
/// The copy cannot be read, or is not valid any more.
pub fn load(state_directory: &Path, host: &HostFacts) -> Result<Option<Loaded>, LastGoodError> {
    let path = state_directory.join(FILE);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(LastGoodError::Read { path, source }),
    };
    let files = split(&bytes).ok_or_else(|| LastGoodError::Read {
        path: path.clone(),
        source: io::Error::other("it is damaged"),
    })?;
    let Some((config_path, config_bytes)) = files.first() else {
        return Ok(None);
    };
    let kept: HashMap<&Path, &[u8]> = files[1..]
        .iter()
        .map(|(path, bytes)| (path.as_path(), *bytes))
        .collect();
    let read = |wanted: &Path| match kept.get(wanted) {
        Some(bytes) => Ok(bytes.to_vec()),
        None => Err(io::Error::other("not kept with the last good policy")),
    };
    config::load_from(config_path, config_bytes, &read, host)
        .map(Some)
        .map_err(LastGoodError::Invalid)
}

fn split(bytes: &[u8]) -> Option<Vec<(PathBuf, &[u8])>> {
    let newline = bytes.iter().position(|byte| *byte == b'\n')?;
    let header: Header = serde_json::from_slice(&bytes[..newline]).ok()?;
    if header.version != 1 {
        return None;
    }
    let mut rest = &bytes[newline + 1..];
    let mut files = Vec::new();
    for entry in header.files {
        let (text, after) = rest.split_at_checked(entry.bytes)?;
        files.push((entry.path, text));
        rest = after;
    }
    Some(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_comes_back_with_its_lists_when_the_files_are_gone() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.toml");
        let text = "[[interface]]\nname = \"eth0\"\n[prefix_list.a]\nfile = \"a.txt\"\n\
                    [[service]]\nname = \"s\"\nports = [\"1/tcp\"]\nallow = [\"a\"]\n";
        std::fs::write(&config, text).unwrap();
        std::fs::write(folder.path().join("a.txt"), "192.0.2.0/24\n").unwrap();
        let host = HostFacts::default();
        let loaded = config::load(&config, &host).unwrap();
        let state = tempfile::tempdir().unwrap();
        assert!(load(state.path(), &host).unwrap().is_none());
        save(state.path(), &loaded.sources).unwrap();
        drop(folder);
        let kept = load(state.path(), &host).unwrap().unwrap();
        assert_eq!(kept.policy, loaded.policy);
        assert_eq!(kept.sources, loaded.sources);
    }

    #[test]
    fn a_damaged_copy_is_an_error_not_a_panic() {
        let state = tempfile::tempdir().unwrap();
        let header = br#"{"version":1,"files":[{"path":"/x","bytes":99}]}"#;
        for text in [&b""[..], b"{}\n", b"\n\n", header] {
            std::fs::write(state.path().join(FILE), text).unwrap();
            assert!(load(state.path(), &HostFacts::default()).is_err());
        }
    }
}
