//! Files that outlive the daemon. Each is written beside its place and moved there: a reader, or
//! a crash, sees the old one or the new one, whole.

#![forbid(unsafe_code)]

use rustix::fs::{FlockOperation, flock};
use rustix::process::geteuid;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

/// A failure at a file of the state directory.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file or folder, and what the system says.
    #[error("{path}: {doing} failed")]
    File {
        /// Which.
        path: PathBuf,
        /// What was attempted.
        doing: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Its content is not what was written.
    #[error("{path}: damaged, or another version's state")]
    Content {
        /// Which.
        path: PathBuf,
        /// Where it goes wrong.
        #[source]
        source: serde_json::Error,
    },
    /// Another daemon runs.
    #[error(
        "another edge-filter daemon ({holder}) runs for {pin_path}: only one may; to reload it: \
         edge-filter reload; to stop it: systemctl stop edge-filter, or kill it"
    )]
    Locked {
        /// Its process id, as it wrote it down, or what else is known of it.
        holder: String,
        /// What both want.
        pin_path: PathBuf,
    },
}

impl StateError {
    /// An error at a file.
    pub fn file(path: &Path, doing: &'static str, source: io::Error) -> Self {
        Self::File {
            path: path.to_path_buf(),
            doing,
            source,
        }
    }
}

/// Makes the folder, for root alone; one that is there and open to others is closed to them. Who
/// could write to it could put a policy of his own in force: that is said in the log.
///
/// # Errors
/// It cannot be made.
pub fn create(path: &Path) -> Result<(), StateError> {
    let mut builder = fs::DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(path);
    made.map_err(|source| StateError::file(path, "making the folder", source))?;
    let found = fs::metadata(path);
    let found = found.map_err(|source| StateError::file(path, "looking at the folder", source))?;
    let folder = path.display();
    let owner = found.uid();
    if owner != 0 && owner != geteuid().as_raw() {
        tracing::error!(
            "{folder} belongs to user {owner}, who can change the policy: chown root {folder}"
        );
        return Ok(());
    }
    let mode = found.mode() & 0o777;
    if mode & 0o077 != 0 {
        let closed = fs::set_permissions(path, Permissions::from_mode(0o700));
        let done = closed.map_or_else(
            |error| format!("NOT closed to them: {error}"),
            |()| "closed to them".into(),
        );
        tracing::warn!("{folder} was open to other users (mode {mode:o}): {done}");
    }
    Ok(())
}

/// Replaces a file in one step, mode 0600.
///
/// # Errors
/// The file that could not be written; the old one is still there.
pub fn write(path: &Path, parts: &[&[u8]]) -> Result<(), StateError> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    let beside = path.with_file_name(name);
    let write = || -> io::Result<()> {
        let mut options = File::options();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&beside)?;
        for part in parts {
            file.write_all(part)?;
        }
        file.sync_all()?;
        fs::rename(&beside, path)?;
        sync_folder(path)
    };
    write().map_err(|source| StateError::file(path, "writing", source))
}

/// Gives a file another name, in the place of what has it.
///
/// # Errors
/// There is no such file, or the folder cannot be written to.
pub fn rename(from: &Path, to: &Path) -> Result<(), StateError> {
    fs::rename(from, to)
        .and_then(|()| sync_folder(to))
        .map_err(|source| StateError::file(from, "renaming", source))
}

/// A name in a folder is there after a power cut only if the folder was written out.
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Removes a file, if it is there.
///
/// # Errors
/// The folder cannot be written to.
pub fn remove(path: &Path) -> Result<(), StateError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StateError::file(path, "removing", error))
        }
        _ => Ok(()),
    }
}

/// Moves a damaged file out of the way, for somebody to look at. Returns where it is now: where it
/// was, if it cannot be moved.
pub fn set_aside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".damaged");
    let aside = path.with_file_name(name);
    match fs::rename(path, &aside) {
        Ok(()) => aside,
        Err(_) => path.to_path_buf(),
    }
}

/// Replaces a JSON file in one step.
///
/// # Errors
/// As [`write()`].
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), StateError> {
    let text = serde_json::to_vec_pretty(value).map_err(|source| StateError::Content {
        path: path.to_path_buf(),
        source,
    })?;
    write(path, &[&text, b"\n"])
}

/// Reads a JSON file; `None` if there is none.
///
/// # Errors
/// It cannot be read, or is not what was written.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, StateError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(StateError::file(path, "reading", source)),
    };
    let value = serde_json::from_slice(&text).map_err(|source| StateError::Content {
        path: path.to_path_buf(),
        source,
    })?;
    Ok(Some(value))
}

/// What a JSON file holds, or nothing: what cannot be read is said in the log, what is damaged is
/// set aside too. For state that the daemon can do without.
pub fn recover_json<T: DeserializeOwned>(path: &Path) -> Option<T> {
    match read_json(path) {
        Ok(found) => found,
        Err(error @ StateError::Content { .. }) => {
            let aside = set_aside(path);
            tracing::error!(
                aside = %aside.display(),
                "{:#}; set aside",
                anyhow::Error::from(error)
            );
            None
        }
        Err(error) => {
            tracing::error!("{:#}", anyhow::Error::from(error));
            None
        }
    }
}

/// Held by the one daemon of a pin path, until it is dropped or its process ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
    pins: Option<File>,
}

impl Lock {
    /// Takes it.
    ///
    /// # Errors
    /// Another daemon holds it, or the file cannot be made.
    pub fn take(state_directory: &Path, pin_path: &Path) -> Result<Self, StateError> {
        let path = lock_path(state_directory, pin_path);
        let fail = |doing| {
            let path = path.clone();
            move |source| StateError::File {
                path,
                doing,
                source,
            }
        };
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options
            .mode(0o600)
            .open(&path)
            .map_err(fail("opening the lock"))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                // A holder that has not written its number yet is one all the same.
                let _ = file.read_to_string(&mut holder);
                let holder = holder.trim();
                return Err(StateError::Locked {
                    holder: match holder {
                        "" => "just starting".into(),
                        pid => format!("pid {pid}"),
                    },
                    pin_path: pin_path.to_path_buf(),
                });
            }
            Err(error) => return Err(fail("locking")(error.into())),
        }
        let pid = format!("{}\n", std::process::id());
        file.set_len(0)
            .and_then(|()| file.write_all(pid.as_bytes()))
            .map_err(fail("writing"))?;
        Ok(Self {
            _file: file,
            pins: None,
        })
    }

    /// Takes the pin path's folder as well, and makes it where it is missing: a daemon with
    /// another state directory would otherwise not be noticed.
    ///
    /// # Errors
    /// Another daemon holds it, or the folder cannot be opened.
    pub fn take_pins(&mut self, pin_path: &Path) -> Result<(), StateError> {
        let fail = |doing| move |source| StateError::file(pin_path, doing, source);
        fs::create_dir_all(pin_path).map_err(fail("making the folder"))?;
        let folder = File::open(pin_path).map_err(fail("opening the folder"))?;
        match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(StateError::Locked {
                    holder: "with another state_directory".into(),
                    pin_path: pin_path.to_path_buf(),
                });
            }
            Err(error) => return Err(fail("locking")(error.into())),
        }
        self.pins = Some(folder);
        Ok(())
    }
}

/// Named after the pin path: daemons of other pin paths may share the state directory's parent.
fn lock_path(state_directory: &Path, pin_path: &Path) -> PathBuf {
    let name = pin_path.to_string_lossy();
    let name = name.trim_matches('/').replace('%', "%25");
    state_directory.join(format!("{}.lock", name.replace('/', "%2F")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_daemon_is_refused_with_the_pid_of_the_first() {
        let folder = tempfile::tempdir().unwrap();
        let pin_path = Path::new("/sys/fs/bpf/edge-filter");
        let first = Lock::take(folder.path(), pin_path).unwrap();
        let error = Lock::take(folder.path(), pin_path).unwrap_err().to_string();
        assert!(error.contains(&std::process::id().to_string()), "{error}");
        Lock::take(folder.path(), Path::new("/sys/fs/bpf/other")).unwrap();
        drop(first);
        Lock::take(folder.path(), pin_path).unwrap();
    }

    #[test]
    fn a_second_daemon_is_refused_by_the_pins_under_another_state_directory_too() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let pins = one.path().join("pins");
        let mut first = Lock::take(one.path(), &pins).unwrap();
        first.take_pins(&pins).unwrap();
        let mut second = Lock::take(other.path(), &pins).unwrap();
        let error = second.take_pins(&pins).unwrap_err().to_string();
        assert!(error.contains("with another state_directory"), "{error}");
        drop(first);
        second.take_pins(&pins).unwrap();
    }

    #[test]
    fn it_is_for_one_user_alone_as_are_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        let fresh = folder.path().join("a/b");
        create(&fresh).unwrap();
        assert_eq!(mode(&fresh), 0o700);
        fs::set_permissions(&fresh, Permissions::from_mode(0o777)).unwrap();
        create(&fresh).unwrap();
        assert_eq!(mode(&fresh), 0o700);
        write(&fresh.join("file"), &[b"text"]).unwrap();
        assert_eq!(mode(&fresh.join("file")), 0o600);
    }

    #[test]
    fn a_file_is_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("numbers.json");
        assert_eq!(read_json::<Vec<u8>>(&path).unwrap(), None);
        write_json(&path, &[1, 2]).unwrap();
        write_json(&path, &[3]).unwrap();
        assert_eq!(read_json(&path).unwrap(), Some(vec![3]));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
