//! The configured file, replaced by what was applied and put back by a rollback. At no moment is
//! there none, or half of one.

#![forbid(unsafe_code)]

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

/// A text that waits beside the configured file to take its place.
#[derive(Debug)]
pub struct Beside {
    /// The file itself, not a symbolic link to it.
    target: PathBuf,
    path: PathBuf,
    is_done: bool,
}

impl Beside {
    /// Writes a text beside the configured file, with that file's owner and mode.
    ///
    /// # Errors
    /// The folder cannot be written to: nothing is changed.
    pub fn write(config: &Path, text: &str) -> io::Result<Self> {
        let target = fs::canonicalize(config).unwrap_or_else(|_| config.to_path_buf());
        let path = with_suffix(&target, ".new");
        let mut file = File::create(&path)?;
        let beside = Self {
            path,
            target,
            is_done: false,
        };
        if let Ok(old) = fs::metadata(&beside.target) {
            file.set_permissions(fs::Permissions::from_mode(old.mode() & 0o7777))?;
            fchown(&file, Some(old.uid()), Some(old.gid()))?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        Ok(beside)
    }

    /// Takes the place of the configured file, which is kept beside it. Returns where.
    ///
    /// # Errors
    /// The old file is still the configured one.
    pub fn replace(mut self) -> io::Result<Option<PathBuf>> {
        let kept = keep(&self.target, ".previous")?;
        fs::rename(&self.path, &self.target)?;
        self.is_done = true;
        sync_folder(&self.target)?;
        Ok(kept)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if !self.is_done {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Puts the file from before the last apply back; what is undone is kept beside it. Returns the
/// configured file.
///
/// # Errors
/// There is none, or the folder cannot be written to.
pub fn restore(config: &Path) -> io::Result<PathBuf> {
    let target = fs::canonicalize(config).unwrap_or_else(|_| config.to_path_buf());
    let previous = with_suffix(&target, ".previous");
    fs::metadata(&previous)?;
    keep(&target, ".undone")?;
    fs::rename(&previous, &target)?;
    sync_folder(&target)?;
    Ok(target)
}

/// Gives a file a second name, in one step; `None` if there is no such file.
fn keep(path: &Path, suffix: &str) -> io::Result<Option<PathBuf>> {
    let kept = with_suffix(path, suffix);
    let link = with_suffix(path, ".link");
    let _ = fs::remove_file(&link);
    match fs::hard_link(path, &link) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        // A file system without hard links.
        Err(_) => drop(fs::copy(path, &link)?),
    }
    fs::rename(&link, &kept)?;
    Ok(Some(kept))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(suffix);
    path.with_file_name(name)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path) -> String {
        fs::read_to_string(path).unwrap_or_default()
    }

    #[test]
    fn a_file_is_replaced_with_its_mode_and_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.toml");
        fs::write(&config, "old").unwrap();
        fs::set_permissions(&config, fs::Permissions::from_mode(0o640)).unwrap();
        let kept = Beside::write(&config, "new").unwrap().replace().unwrap();
        let kept = kept.unwrap();
        assert_eq!((read(&config), read(&kept)), ("new".into(), "old".into()));
        assert_eq!(fs::metadata(&config).unwrap().mode() & 0o777, 0o640);
        restore(&config).unwrap();
        assert_eq!(read(&config), "old");
        assert_eq!(read(&folder.path().join("config.toml.undone")), "new");
        assert!(
            restore(&config).is_err(),
            "there is nothing left to restore"
        );
        assert_eq!(read(&config), "old");
    }

    #[test]
    fn a_text_that_is_given_up_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.toml");
        fs::write(&config, "old").unwrap();
        drop(Beside::write(&config, "new").unwrap());
        assert_eq!(read(&config), "old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_symbolic_link_stays_one() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (
            folder.path().join("real.toml"),
            folder.path().join("c.toml"),
        );
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink("real.toml", &link).unwrap();
        Beside::write(&link, "new").unwrap().replace().unwrap();
        assert_eq!(read(&file), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }
}
