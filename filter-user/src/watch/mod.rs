//! Whether files have changed, and whether whoever writes them has finished.

#![forbid(unsafe_code)]

mod folders;
mod schedule;

pub use folders::{Watcher, folders_of};
pub use schedule::{Schedule, Step};

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

/// What identifies the content of a file without reading it; `None` where there is none.
type Stamp = Option<(u64, u64, u64, i64, i64)>;

/// The state of some files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint(Vec<Stamp>);

impl Fingerprint {
    /// Looks at the files, through symbolic links.
    pub fn take(files: &[PathBuf]) -> Self {
        let stamp = |file: &PathBuf| {
            let found = std::fs::metadata(file).ok()?;
            let time = (found.mtime(), found.mtime_nsec());
            Some((found.dev(), found.ino(), found.size(), time.0, time.1))
        };
        Self(files.iter().map(stamp).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rename_over_a_file_and_a_swap_of_a_link_are_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("a"), "1").unwrap();
        std::fs::write(path("b"), "1").unwrap();
        std::os::unix::fs::symlink("a", path("link")).unwrap();
        let files = [path("a"), path("link"), path("missing")];
        let before = Fingerprint::take(&files);
        assert_eq!(before, Fingerprint::take(&files));
        std::os::unix::fs::symlink("b", path("new")).unwrap();
        std::fs::rename(path("new"), path("link")).unwrap();
        let swapped = Fingerprint::take(&files);
        assert_ne!(before, swapped);
        std::fs::rename(path("b"), path("a")).unwrap();
        assert_ne!(swapped, Fingerprint::take(&files));
    }
}
