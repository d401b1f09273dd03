//! The only place of `config` that reads files, with bounds on what it takes in.

use super::diagnostic::{Diagnostic, Errors, Finding};
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt as _;
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
    // Opening a device may do something already.
    regular(&std::fs::metadata(path)?)?;
    read(open_regular(path)?, LIST_BYTES)
}

fn open_regular(path: &Path) -> io::Result<File> {
    // A pipe may have taken its place meanwhile: opened so, it waits for nobody.
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let mut options = File::options();
    let flags = flags.bits().cast_signed();
    let file = options.read(true).custom_flags(flags).open(path)?;
    regular(&file.metadata()?)?;
    Ok(file)
}

fn regular(found: &Metadata) -> io::Result<()> {
    match found.file_type() {
        kind if kind.is_file() => Ok(()),
        kind if kind.is_dir() => Err(io::Error::from(io::ErrorKind::IsADirectory)),
        _ => Err(io::Error::other("not a regular file")),
    }
}

/// Reads a configuration; it may come through a pipe.
pub(super) fn read_config(path: &Path) -> io::Result<Vec<u8>> {
    read(File::open(path)?, CONFIG_BYTES)
}

/// The text, or the place where it stops to be one.
pub(super) fn utf8<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str, Errors> {
    std::str::from_utf8(bytes).map_err(|error| Errors::about_file(not_utf8(path, bytes, error)))
}

pub(super) fn not_utf8(path: &Path, bytes: &[u8], error: std::str::Utf8Error) -> Diagnostic {
    let at = error.valid_up_to();
    let (valid, rest) = bytes.split_at(at);
    let byte = rest.first().copied().unwrap_or_default();
    let valid = String::from_utf8_lossy(valid);
    let rest = String::from_utf8_lossy(rest.get(..80).unwrap_or(rest));
    let rest = rest.lines().next().unwrap_or_default();
    let text = format!("{valid}{rest}");
    Finding::error(
        at..at + '\u{fffd}'.len_utf8(),
        format!("byte 0x{byte:02x} is not UTF-8 text"),
    )
    .help("save the file as UTF-8".to_owned())
    .resolve(path, &text)
}

fn read(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let mebibytes = limit >> 20;
        return Err(io::Error::other(format!("larger than {mebibytes} MiB")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, Mode, mkfifoat};

    #[test]
    fn lists_are_regular_files_and_links_to_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("list"), "10.0.0.0/8\n").unwrap();
        std::os::unix::fs::symlink("list", path("link")).unwrap();
        assert_eq!(read_bounded(&path("link")).unwrap(), b"10.0.0.0/8\n");

        // Nobody ever writes to it: to wait for that would be for ever.
        mkfifoat(CWD, path("pipe"), Mode::RUSR | Mode::WUSR).unwrap();
        std::os::unix::fs::symlink("pipe", path("link_to_pipe")).unwrap();
        std::os::unix::fs::symlink("circle", path("circle")).unwrap();
        File::create(path("huge"))
            .unwrap()
            .set_len(LIST_BYTES + 1)
            .unwrap();
        for (name, part) in [
            ("pipe", "not a regular file"),
            ("link_to_pipe", "not a regular file"),
            ("/dev/zero", "not a regular file"),
            ("circle", "symbolic links"),
            ("huge", "larger than 256 MiB"),
            (".", "is a directory"),
            ("missing", "No such file"),
        ] {
            let error = read_bounded(&path(name)).unwrap_err().to_string();
            assert!(error.contains(part), "{name}: {error}");
        }
    }

    #[test]
    fn what_takes_the_place_of_a_file_after_the_first_look_is_not_read_either() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        mkfifoat(CWD, &pipe, Mode::RUSR | Mode::WUSR).unwrap();
        let error = open_regular(&pipe).unwrap_err().to_string();
        assert!(error.contains("not a regular file"), "{error}");
    }
}
