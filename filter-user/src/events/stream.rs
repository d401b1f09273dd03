//! The daemon's end of `events`: what is kept, or what comes from now on, to one caller. Each
//! caller has a task of its own; one that does not read holds up nobody but itself.

use super::journal::{FOLLOWERS, Follower, Journal, encode};
use super::line::{Cause, Line, Loss};
use crate::control::{Refusal, RefusalKind};
use std::collections::BTreeMap;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::timeout;

/// For a caller to take what is kept.
const PATIENCE: Duration = Duration::from_secs(5);
/// For a follower to read on: a stopped one (Ctrl-Z) keeps its place that long.
const STALLED: Duration = Duration::from_secs(300);
/// Bytes of one write to a follower that is behind.
const WRITE: usize = 32 << 10;

/// Sends what is kept and the totals; or, to a follower, the totals and then every line until it
/// goes away.
///
/// # Errors
/// The caller went away, or did not read.
pub async fn stream<I, O>(
    journal: &Journal,
    follow: bool,
    input: &mut I,
    output: &mut O,
) -> io::Result<()>
where
    I: AsyncRead + Unpin,
    O: AsyncWrite + Unpin,
{
    let totals = journal.totals().map(Line::Totals);
    let totals = totals.as_ref().and_then(encode).unwrap_or_default();
    if !follow {
        let text = journal.recent() + &totals;
        return write(output, &text, PATIENCE).await;
    }
    let Some(mut follower) = journal.follow() else {
        let message = format!("{FOLLOWERS} callers follow already: end one of them");
        let refusal = Refusal::new(RefusalKind::Failed, message);
        let line = encode(&Line::Refused(refusal)).unwrap_or_default();
        return write(output, &line, PATIENCE).await;
    };
    write(output, &totals, PATIENCE).await?;
    let mut byte = [0];
    loop {
        let text = tokio::select! {
            text = next(&mut follower) => text,
            read = input.read(&mut byte) => match read? {
                0 => return Ok(()),
                // A follower has nothing more to say.
                _ => continue,
            },
        };
        match text {
            Some(text) => write(output, &text, STALLED).await?,
            None => return Ok(()),
        }
    }
}

/// The next lines, as many as there are; `None` at the end of the daemon.
async fn next(follower: &mut Follower) -> Option<String> {
    let mut text = match follower.lines.recv().await {
        Ok(line) => String::from(&*line),
        Err(RecvError::Lagged(lost)) => lagged(lost),
        Err(RecvError::Closed) => return None,
    };
    while text.len() < WRITE {
        match follower.lines.try_recv() {
            Ok(line) => text.push_str(&line),
            Err(TryRecvError::Lagged(lost)) => text.push_str(&lagged(lost)),
            Err(TryRecvError::Empty | TryRecvError::Closed) => break,
        }
    }
    Some(text)
}

fn lagged(lost: u64) -> String {
    let loss = Loss {
        lost,
        cause: Cause::SlowFollower,
        by_reason: BTreeMap::new(),
    };
    encode(&Line::Lost(loss)).map_or_else(String::new, |line| String::from(&*line))
}

async fn write(
    output: &mut (impl AsyncWrite + Unpin),
    text: &str,
    patience: Duration,
) -> io::Result<()> {
    timeout(patience, output.write_all(text.as_bytes()))
        .await
        .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut)))
}

#[cfg(test)]
mod tests {
    use super::super::line::Totals;
    use super::*;
    use tokio::io::{AsyncBufReadExt as _, BufReader, duplex};

    fn on_a_runtime<F: Future>(work: F) -> F::Output {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(work)
    }

    fn line(events: u64) -> Line {
        Line::Totals(Totals { events, lost: 0 })
    }

    #[test]
    fn a_follower_that_does_not_read_loses_lines_and_is_told_how_many() {
        on_a_runtime(async {
            let journal = std::sync::Arc::new(Journal::default());
            let (near, far) = duplex(64);
            let task = std::sync::Arc::clone(&journal);
            tokio::spawn(async move {
                let (mut input, mut output) = tokio::io::split(far);
                stream(&task, true, &mut input, &mut output).await
            });
            let mut lines = BufReader::new(near).lines();
            assert!(lines.next_line().await.unwrap().is_some(), "it follows");
            // It stops to read; publishing does not wait for it.
            for n in 1..=5000 {
                journal.publish(&line(n));
            }
            let (mut told, mut seen, mut last) = (0, 0, 0);
            while last != 5000 {
                let text = lines.next_line().await.unwrap().unwrap();
                match serde_json::from_str(&text).unwrap() {
                    Line::Totals(totals) => (seen, last) = (seen + 1, totals.events),
                    Line::Lost(loss) => {
                        assert_eq!(loss.cause, Cause::SlowFollower);
                        told += loss.lost;
                    }
                    other => panic!("{other:?}"),
                }
            }
            assert!(told > 0);
            assert_eq!(seen + told, 5000);
        });
    }

    #[test]
    fn a_follower_that_goes_leaves_its_place() {
        on_a_runtime(async {
            let journal = Journal::default();
            let (near, far) = duplex(4096);
            drop(near);
            let (mut input, mut output) = tokio::io::split(far);
            // It ends, with an error or without.
            let _ = stream(&journal, true, &mut input, &mut output).await;
            for _ in 0..FOLLOWERS {
                std::mem::forget(journal.follow().unwrap());
            }
            let (near, mut far) = duplex(4096);
            let (mut input, mut output) = tokio::io::split(near);
            stream(&journal, true, &mut input, &mut output)
                .await
                .unwrap();
            let mut text = vec![0; 4096];
            let length = far.read(&mut text).await.unwrap();
            let line = serde_json::from_slice(&text[..length]).unwrap();
            assert!(matches!(line, Line::Refused(r) if r.message.contains("already")));
        });
    }
}
