//! The daemon's end of the control socket. Callers are root, or who runs the daemon; a caller
//! that says nothing, or too much, is left.

use super::{Answer, MAX_REQUEST_BYTES, Refusal, RefusalKind, Request, decode_request};
use crate::events::{self, Journal};
use std::future::Future;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

/// For a caller to say its request, or to take its answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Of a request of somebody who may not: what it says does not matter.
const MAX_REFUSED_BYTES: usize = 4096;
/// Callers at once; the others wait.
const CALLERS: usize = 16;

/// A request, and where its answer goes.
pub struct Asked {
    /// What is asked.
    pub request: Request,
    /// For the answer.
    pub answer: oneshot::Sender<Answer>,
}

/// The socket; removed on drop.
pub struct Server {
    path: PathBuf,
    listener: UnixListener,
}

impl Server {
    /// Listens at `path`, mode 0600. What lies there is replaced if it is a socket: to be called
    /// only while the daemon's lock is held. Needs a tokio runtime.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub fn bind(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        remove_socket(path)?;
        // Made beside its place: nobody connects before its mode is set.
        let beside = path.with_extension("new");
        remove_socket(&beside)?;
        let listener = UnixListener::bind(&beside)?;
        std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(0o600))?;
        std::fs::rename(&beside, path)?;
        Ok(Self {
            path: path.to_path_buf(),
            listener,
        })
    }

    /// Takes in requests for ever. Events are answered from the journal, by the caller's own task;
    /// everything else goes to the daemon's loop.
    pub async fn serve(self, requests: mpsc::Sender<Asked>, journal: Arc<Journal>) {
        let places = Arc::new(Semaphore::new(CALLERS));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let (requests, journal) = (requests.clone(), Arc::clone(&journal));
                    tokio::spawn(async move {
                        if let Err(error) = converse(stream, requests, &journal).await {
                            tracing::debug!(%error, "control connection ended");
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::error!(%error, "control socket: accepting a caller failed");
                    // Out of file descriptors, most likely: not again at once.
                    tokio::time::sleep(PATIENCE / 10).await;
                }
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Another daemon cannot have taken its place: the lock is still held.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn remove_socket(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => std::fs::remove_file(path),
        Ok(_) => Err(io::Error::other("something that is no socket is there")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

async fn converse(
    stream: UnixStream,
    requests: mpsc::Sender<Asked>,
    journal: &Journal,
) -> io::Result<()> {
    let caller = stream.peer_cred()?.uid();
    let (input, output) = stream.into_split();
    answer(input, output, caller, &requests, journal).await
}

/// Answers a user, request by request, until nothing more comes in. Needs a tokio runtime.
///
/// # Errors
/// The caller is gone, or was too slow.
pub async fn answer<I, O>(
    input: I,
    mut output: O,
    caller: u32,
    requests: &mpsc::Sender<Asked>,
    journal: &Journal,
) -> io::Result<()>
where
    I: AsyncRead + Unpin,
    O: AsyncWrite + Unpin,
{
    let is_allowed = caller == 0 || caller == rustix::process::geteuid().as_raw();
    let mut input = BufReader::new(input);
    let limit = match is_allowed {
        true => MAX_REQUEST_BYTES,
        false => MAX_REFUSED_BYTES,
    };
    loop {
        let line = match in_time(read_line(&mut input, limit)).await? {
            Line::End => return Ok(()),
            Line::TooLong => {
                let message = format!("a request has at most {limit} bytes");
                let answer = Answer::Refused(Refusal::new(RefusalKind::Request, message));
                return in_time(write(&mut output, &answer)).await;
            }
            Line::Whole(line) => line,
        };
        let answer = match decode_request(&line) {
            _ if !is_allowed => {
                let message = format!("user {caller} may not: only root may");
                Answer::Refused(Refusal::new(RefusalKind::Denied, message))
            }
            Err(refusal) => Answer::Refused(refusal),
            Ok(Request::Events { follow }) => {
                return events::stream(journal, follow, &mut input, &mut output).await;
            }
            Ok(request) => ask_daemon(request, requests).await,
        };
        in_time(write(&mut output, &answer)).await?;
        if !is_allowed {
            return Ok(());
        }
    }
}

async fn ask_daemon(request: Request, requests: &mpsc::Sender<Asked>) -> Answer {
    let (answer, receiver) = oneshot::channel();
    let is_taken = requests.send(Asked { request, answer }).await.is_ok();
    let answer = if is_taken { receiver.await.ok() } else { None };
    answer.unwrap_or_else(|| {
        Answer::Refused(Refusal::new(RefusalKind::Failed, "the daemon is stopping"))
    })
}

async fn in_time<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(PATIENCE, work)
        .await
        .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut)))
}

async fn write(output: &mut (impl AsyncWrite + Unpin), answer: &Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    output.write_all(&line).await
}

enum Line {
    Whole(Vec<u8>),
    TooLong,
    End,
}

async fn read_line(
    input: &mut (impl tokio::io::AsyncBufRead + Unpin),
    limit: usize,
) -> io::Result<Line> {
    let mut line = Vec::new();
    let mut bounded = input.take(limit as u64 + 1);
    bounded.read_until(b'\n', &mut line).await?;
    Ok(match line.last() {
        None => Line::End,
        Some(b'\n') => Line::Whole(line),
        Some(_) if line.len() > limit => Line::TooLong,
        // The caller closed its end behind the request.
        Some(_) => Line::Whole(line),
    })
}

#[cfg(test)]
mod tests {
    use super::super::{ask, encode_request};
    use super::*;

    fn on_a_runtime<F: Future>(work: F) -> F::Output {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(work)
    }

    async fn say(path: &Path, bytes: &[u8]) -> Answer {
        let mut stream = UnixStream::connect(path).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        serde_json::from_slice(&answer).unwrap()
    }

    #[test]
    fn a_request_is_answered_and_nonsense_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/control.sock");
        on_a_runtime(async {
            let server = Server::bind(&path).unwrap();
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            let (sender, mut requests) = mpsc::channel(1);
            let serving = tokio::spawn(server.serve(sender, Arc::default()));
            tokio::spawn(async move {
                while let Some(Asked { request, answer }) = requests.recv().await {
                    assert_eq!(request, Request::Reload { force: true });
                    let _ = answer.send(Answer::Reloaded {
                        generation: 7,
                        warnings: Vec::new(),
                    });
                }
            });
            let request = Request::Reload { force: true };
            let line = encode_request(&request).unwrap();
            for end in ["\n", ""] {
                let answer = say(&path, format!("{line}{end}").as_bytes()).await;
                assert!(matches!(answer, Answer::Reloaded { generation: 7, .. }));
            }
            let answer = say(&path, b"nonsense\n").await;
            assert!(matches!(answer, Answer::Refused(r) if r.kind == RefusalKind::Request));
            let answer = say(&path, &vec![b' '; MAX_REQUEST_BYTES + 1]).await;
            assert!(matches!(answer, Answer::Refused(r) if r.message.contains("at most")));
            let socket = path.clone();
            let asking = move || ask(&socket, &request, PATIENCE);
            let answer = tokio::task::spawn_blocking(asking).await.unwrap();
            assert!(matches!(answer, Ok(Answer::Reloaded { .. })));
            serving.abort();
            let _ = serving.await;
        });
        assert!(!path.exists(), "the socket goes with its server");
    }

    #[test]
    fn only_a_stale_socket_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        on_a_runtime(async {
            std::mem::forget(Server::bind(&path).unwrap());
            assert!(path.exists());
            drop(Server::bind(&path).unwrap());
            std::fs::write(&path, "precious").unwrap();
            assert!(Server::bind(&path).is_err());
            assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
        });
    }
}
