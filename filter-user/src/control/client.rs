//! The commands' end of the control socket.

use super::{Answer, Request, encode_request};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// An answer above this is none: 200 findings with their lines are far less.
const MAX_ANSWER_BYTES: u64 = 64 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No daemon listens.
    #[error("{path}: no edge-filter daemon answers here; is it running (edge-filter run)?")]
    NoDaemon {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// It listens but does not answer.
    #[error("{path}: the edge-filter daemon does not answer")]
    Silent {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The answer is not understood.
    #[error("{path}: the daemon's answer is not understood; restart it after an upgrade")]
    Answer {
        /// The socket.
        path: PathBuf,
        /// Where it goes wrong.
        #[source]
        source: serde_json::Error,
    },
}

/// Asks the daemon for many lines. Waits for each as long as `limit`, or for ever.
///
/// # Errors
/// No daemon, or it takes no request.
pub fn open(
    path: &Path,
    request: &Request,
    limit: Option<Duration>,
) -> Result<BufReader<UnixStream>, ClientError> {
    let silent = |source| ClientError::Silent {
        path: path.to_path_buf(),
        source,
    };
    let mut stream = UnixStream::connect(path).map_err(|source| ClientError::NoDaemon {
        path: path.to_path_buf(),
        source,
    })?;
    stream.set_read_timeout(limit).map_err(silent)?;
    stream.set_write_timeout(limit).map_err(silent)?;
    let line = encode_request(request).map_err(|source| ClientError::Answer {
        path: path.to_path_buf(),
        source,
    })?;
    writeln!(stream, "{line}").map_err(silent)?;
    Ok(BufReader::new(stream))
}

/// Asks the daemon, and waits for its answer as long as `limit`.
///
/// # Errors
/// No daemon, no answer in time, or none that makes sense.
pub fn ask(path: &Path, request: &Request, limit: Duration) -> Result<Answer, ClientError> {
    let silent = |source| ClientError::Silent {
        path: path.to_path_buf(),
        source,
    };
    let answer = |source| ClientError::Answer {
        path: path.to_path_buf(),
        source,
    };
    let mut line = Vec::new();
    let mut reader = open(path, request, Some(limit))?.take(MAX_ANSWER_BYTES);
    reader.read_until(b'\n', &mut line).map_err(silent)?;
    if line.is_empty() {
        return Err(silent(io::Error::from(io::ErrorKind::UnexpectedEof)));
    }
    serde_json::from_slice(&line).map_err(answer)
}
