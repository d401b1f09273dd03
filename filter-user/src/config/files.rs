//! The only place of `config` that reads files, with bounds on what it takes in.

use super::diagnostic::{Diagnostic, Errors, Finding};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// A configuration above this is no configuration; it is held in memory several times over.
const CONFIG_BYTES: u64 = 16 << 20;
/// A list above this is refused: a million prefixes of each family, spelled out, are 70 MB.
const LIST_BYTES: u64 = 256 << 20;

/// How list files are read. `read_bounded` is the real one.
pub type ReadFile<'a> = dyn Fn(&Path) -> io::Result<Vec<u8>> + 'a;

/// A file that a policy was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Relative paths of list files are already joined with the configuration's folder.
    pub path: PathBuf,
    /// What it held.
    pub text: String,
}

impl SourceFile {
    pub(super) fn new(path: &Path, text: &str) -> Self {
        Self {
            path: path.to_path_buf(),
            text: text.to_owned(),
        }
    }
}

/// Reads a regular file of at most 256 MiB. A pipe would block a reload, a device never end.
pub fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let metadata = std::fs::metadata(path)?;
    if metadata.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    if !metadata.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    read(path, LIST_BYTES)
}

/// Reads a configuration; it may come through a pipe.
pub(super) fn read_config(path: &Path) -> io::Result<Vec<u8>> {
    read(path, CONFIG_BYTES)
}

/// The text, or the place where it stops to be one.
pub(super) fn utf8<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str, Errors> {
    std::str::from_utf8(bytes).map_err(|error| Errors::about_file(not_utf8(path, bytes, error)))
}

pub(super) fn not_utf8(path: &Path, bytes: &[u8], error: std::str::Utf8Error) -> Diagnostic {
    let at = error.valid_up_to();
    let valid = String::from_utf8_lossy(&bytes[..at]);
    let rest = String::from_utf8_lossy(&bytes[at..bytes.len().min(at + 80)]);
    let rest = rest.lines().next().unwrap_or_default();
    let text = format!("{valid}{rest}");
    Finding::error(
        at..at + '\u{fffd}'.len_utf8(),
        format!("byte 0x{:02x} is not UTF-8 text", bytes[at]),
    )
    .help("save the file as UTF-8".to_owned())
    .resolve(path, &text)
}

fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let mebibytes = limit >> 20;
        return Err(io::Error::other(format!("larger than {mebibytes} MiB")));
    }
    Ok(bytes)
}
