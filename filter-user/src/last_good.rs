//! Policies with their lists, each in one file of the state directory: the last one that was
//! confirmed, which stands in when the configured file is not valid, at boot too; the one before
//! it, for a rollback; and what was applied, which is a candidate until it is confirmed.
//!
//! One line of JSON says which files there are, how long each is and what they hash to; then come
//! their texts.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use crate::config::{self, HostFacts, Loaded, SourceFile};
use crate::state_directory::{self, StateError};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

const VERSION: u32 = 2;
const CANDIDATE: &str = "candidate-";

/// Which policy is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The last one that was confirmed.
    LastGood,
    /// The one before the last apply.
    Previous,
    /// One that was applied as this generation.
    Candidate(u32),
}

impl Kept {
    /// Its file.
    pub fn path(self, state_directory: &Path) -> PathBuf {
        match self {
            Self::LastGood => state_directory.join("last-good"),
            Self::Previous => state_directory.join("previous"),
            Self::Candidate(generation) => state_directory.join(format!("{CANDIDATE}{generation}")),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    sha256: String,
    files: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    path: PathBuf,
    bytes: usize,
}

/// Keeps the files of a policy.
///
/// # Errors
/// The state directory cannot be written to; the copy that was there still is.
pub fn save(kept: Kept, state_directory: &Path, sources: &[SourceFile]) -> Result<(), StateError> {
    let path = kept.path(state_directory);
    let files = sources.iter().map(|source| Entry {
        path: source.path.clone(),
        bytes: source.text.len(),
    });
    let header = Header {
        version: VERSION,
        sha256: sha256(sources.iter().map(|source| source.text.as_bytes())),
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

/// Makes one of them the other.
///
/// # Errors
/// There is none, or the state directory cannot be written to.
pub fn rename(from: Kept, to: Kept, state_directory: &Path) -> Result<(), StateError> {
    state_directory::rename(&from.path(state_directory), &to.path(state_directory))
}

/// Removes all candidates but one, which are of no use any more. One that cannot be removed is only
/// said in the log.
pub fn forget_candidates(state_directory: &Path, but: Option<u32>) {
    let but = but.map(|generation| Kept::Candidate(generation).path(state_directory));
    let entries = std::fs::read_dir(state_directory).into_iter().flatten();
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_one = name.starts_with(CANDIDATE) || name == "candidate";
        let is_one = is_one && !name.ends_with(".damaged");
        if is_one
            && but.as_ref() != Some(&path)
            && let Err(error) = state_directory::remove(&path)
        {
            tracing::error!(%error, "an old candidate stays");
        }
    }
}

/// What texts hash to, in hexadecimal.
pub fn sha256<'a>(texts: impl Iterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update(text);
    }
    let bytes = hash.finalize();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the configured file of a kept policy hashes to; none if there is no such copy, or only a
/// damaged one.
pub fn config_hash(kept: Kept, state_directory: &Path) -> Option<String> {
    let bytes = std::fs::read(kept.path(state_directory)).ok()?;
    let files = split(&bytes).ok()?;
    let (_, config) = files.first()?;
    Some(sha256([*config].into_iter()))
}

/// Why a kept policy does not help.
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
    /// The copy was damaged, or written by another version.
    #[error("{path}: {what}; set aside as {aside}")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
        /// Where it is now.
        aside: PathBuf,
    },
    /// It is no longer valid, as after a change of version.
    #[error("{path}: not valid in this version:\n{errors}")]
    Invalid {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        errors: config::Errors,
    },
}

/// A kept policy; `None` if there never was one.
///
/// # Errors
/// The copy cannot be read, or is not valid any more. A damaged one is set aside.
pub fn load(
    kept: Kept,
    state_directory: &Path,
    host: &HostFacts,
) -> Result<Option<Loaded>, LastGoodError> {
    read(kept, state_directory, host, |path, what| {
        let aside = state_directory::set_aside(&path);
        LastGoodError::Damaged { path, what, aside }
    })
}

/// The same for who only looks: a copy of another version may be the running daemon's, and stays
/// where it is.
///
/// # Errors
/// The copy cannot be read, or is not valid any more.
pub fn look(
    kept: Kept,
    state_directory: &Path,
    host: &HostFacts,
) -> Result<Option<Loaded>, LastGoodError> {
    read(kept, state_directory, host, |path, what| {
        let source = io::Error::other(what);
        LastGoodError::Read { path, source }
    })
}

fn read(
    kept: Kept,
    state_directory: &Path,
    host: &HostFacts,
    damaged: impl FnOnce(PathBuf, &'static str) -> LastGoodError,
) -> Result<Option<Loaded>, LastGoodError> {
    let path = kept.path(state_directory);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(LastGoodError::Read { path, source }),
    };
    let files = match split(&bytes) {
        Ok(files) => files,
        Err(what) => return Err(damaged(path, what)),
    };
    let Some(((config_path, config_bytes), lists)) = files.split_first() else {
        return Ok(None);
    };
    let texts: HashMap<&Path, &[u8]> = lists
        .iter()
        .map(|(path, bytes)| (path.as_path(), *bytes))
        .collect();
    let read = |wanted: &Path| match texts.get(wanted) {
        Some(bytes) => Ok(bytes.to_vec()),
        None => Err(io::Error::other("not kept with this policy")),
    };
    config::load_from(config_path, config_bytes, &read, host)
        .map(Some)
        .map_err(|errors| LastGoodError::Invalid { path, errors })
}

fn split(bytes: &[u8]) -> Result<Vec<(PathBuf, &[u8])>, &'static str> {
    let newline = bytes.iter().position(|byte| *byte == b'\n');
    let (header, texts) = bytes.split_at(newline.ok_or("it is damaged: no header")?);
    let texts = texts.get(1..).unwrap_or_default();
    let header: Header =
        serde_json::from_slice(header).map_err(|_| "it is damaged, or of another version")?;
    if header.version != VERSION {
        return Err("it is of another version");
    }
    if sha256(std::iter::once(texts)) != header.sha256 {
        return Err("it is damaged: it does not hash to what it says");
    }
    let mut rest = texts;
    let mut files = Vec::new();
    for entry in header.files {
        let (text, after) = rest
            .split_at_checked(entry.bytes)
            .ok_or("it is damaged: too short")?;
        files.push((entry.path, text));
        rest = after;
    }
    Ok(files)
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
        let kept = Kept::LastGood;
        assert!(load(kept, state.path(), &host).unwrap().is_none());
        save(kept, state.path(), &loaded.sources).unwrap();
        drop(folder);
        let kept = load(kept, state.path(), &host).unwrap().unwrap();
        assert_eq!(kept.policy, loaded.policy);
        assert_eq!(kept.sources, loaded.sources);
    }

    #[test]
    fn a_damaged_copy_is_set_aside_and_named() {
        let host = HostFacts::default();
        let state = tempfile::tempdir().unwrap();
        let path = Kept::LastGood.path(state.path());
        let text = "[[interface]]\nname = \"eth0\"\n[[service]]\nname = \"s\"\n\
                    ports = [\"1/tcp\"]\nallow = [\"any\"]\n";
        let source = SourceFile {
            path: "/c.toml".into(),
            text: text.into(),
        };
        save(Kept::LastGood, state.path(), &[source]).unwrap();
        let good = std::fs::read(&path).unwrap();
        let mut flipped = good.clone();
        *flipped.last_mut().unwrap() ^= 1;
        let old = br#"{"version":1,"files":[{"path":"/x","bytes":99}]}"#;
        let damaged: [&[u8]; 7] = [
            b"",
            b"{}\n",
            b"\n\n",
            old,
            &good[..good.len() - 1],
            &good[..good.len() / 2],
            &flipped,
        ];
        for bytes in damaged {
            std::fs::write(&path, bytes).unwrap();
            let error = load(Kept::LastGood, state.path(), &host).unwrap_err();
            let LastGoodError::Damaged { aside, .. } = error else {
                panic!("{error}");
            };
            assert_eq!(std::fs::read(aside).unwrap(), bytes);
            assert!(!path.exists());
        }
    }
}
