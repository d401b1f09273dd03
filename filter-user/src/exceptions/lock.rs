//! One writer of bans and allows at a time, daemon or command: who changes journal or maps holds
//! this. A holder that hangs is named, not waited for without end.

use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

const FILE: &str = "exceptions.lock";
/// Between two tries: `flock` itself knows no time limit.
const RETRY: Duration = Duration::from_millis(5);

/// Held until dropped, or until the process ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why it is not held.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else holds it.
    #[error(
        "{path}: bans and allows are being changed by process {holder}, and have been for too \
         long; if it hangs, end it (kill -9 {holder}; the filter stays) and try again"
    )]
    Held {
        /// The lock.
        path: PathBuf,
        /// Its process id, as it wrote it down.
        holder: String,
    },
    /// It cannot be made.
    #[error("{path}: cannot lock")]
    File {
        /// The lock.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl Lock {
    /// Takes it within `patience`.
    ///
    /// # Errors
    /// Somebody else holds it all the while, or it cannot be made.
    pub fn take(state_directory: &Path, patience: Duration) -> Result<Self, LockError> {
        let path = state_directory.join(FILE);
        let fail = |source| LockError::File {
            path: path.clone(),
            source,
        };
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.mode(0o600).open(&path).map_err(fail)?;
        let deadline = Instant::now() + patience;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < deadline => {
                    thread::sleep(RETRY);
                }
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    let mut holder = String::new();
                    // One that has not written its number yet is one all the same.
                    let _ = file.read_to_string(&mut holder);
                    let holder = holder.trim().to_owned();
                    return Err(LockError::Held { path, holder });
                }
                Err(error) => return Err(fail(error.into())),
            }
        }
        let pid = format!("{}\n", std::process::id());
        // On a disk that is full it is held all the same, and has no name.
        let _ = file
            .set_len(0)
            .and_then(|()| file.write_all(pid.as_bytes()));
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_writer_is_told_who_the_first_is() {
        let folder = tempfile::tempdir().unwrap();
        let first = Lock::take(folder.path(), Duration::ZERO).unwrap();
        let error = Lock::take(folder.path(), Duration::ZERO).unwrap_err();
        let pid = std::process::id().to_string();
        assert!(error.to_string().contains(&pid), "{error}");
        drop(first);
        Lock::take(folder.path(), Duration::ZERO).unwrap();
    }
}
