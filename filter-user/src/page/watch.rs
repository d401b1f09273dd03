//! Readings for whoever looks: one a second at most, shared by all of them.

use super::board::Board;
use crate::daemon::Shared;
use crate::events::{Journal, Line};
use crate::kernel::netlink;
use crate::live;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// A reading that is younger is handed out again. A little less than the page's second, which no
/// timer keeps exactly.
const FRESH: Duration = Duration::from_millis(900);
/// Events from before this are no news.
const NEW: Duration = Duration::from_secs(60);
/// Events are up to a minute old: the board's clock starts before them.
const BEFORE: Duration = Duration::from_secs(120);

/// What is read, and what was read last.
pub struct Watch {
    shared: Arc<Shared>,
    events: Arc<Journal>,
    state_directory: PathBuf,
    host: String,
    origin: Instant,
    newest: Arc<Mutex<Newest>>,
}

#[derive(Default)]
struct Newest {
    board: Board,
    /// Events that the board has.
    seen: u64,
    answer: Option<(Instant, Arc<str>)>,
}

impl Watch {
    /// Of a daemon; nothing is read yet.
    pub fn new(shared: Arc<Shared>, events: Arc<Journal>, state_directory: PathBuf) -> Self {
        let names = rustix::system::uname();
        Self {
            shared,
            events,
            state_directory,
            host: names.nodename().to_string_lossy().into_owned(),
            origin: Instant::now(),
            newest: Arc::default(),
        }
    }

    /// What is shown now, as JSON.
    ///
    /// # Errors
    /// The kernel or netlink does not answer: old numbers are never shown as new ones.
    pub async fn look(self: &Arc<Self>) -> anyhow::Result<Arc<str>> {
        let mut newest = Arc::clone(&self.newest).lock_owned().await;
        if let Some((at, answer)) = &newest.answer
            && at.elapsed() < FRESH
        {
            return Ok(Arc::clone(answer));
        }
        let links = netlink::links().await?;
        let watch = Arc::clone(self);
        // Millions of cells are counted: beside the loop's thread.
        let read = move || -> anyhow::Result<Arc<str>> {
            let reading = live::of_daemon(&watch.shared, &links, &watch.state_directory)?;
            let at = Instant::now();
            let now = BEFORE + at.duration_since(watch.origin);
            watch.take_events(&mut newest, now);
            let answer = newest.board.read(watch.host.clone(), reading, now);
            let answer: Arc<str> = serde_json::to_string(&answer)?.into();
            newest.answer = Some((at, Arc::clone(&answer)));
            Ok(answer)
        };
        tokio::task::spawn_blocking(read).await?
    }

    fn take_events(&self, newest: &mut Newest, now: Duration) {
        let (lines, seen) = self.events.since(newest.seen);
        newest.seen = seen;
        let wall = SystemTime::now();
        for line in lines {
            if let Ok(Line::Event(record)) = serde_json::from_str(&line)
                && let Some(age) = record.age(wall).filter(|age| *age < NEW)
            {
                newest.board.add(record, now.saturating_sub(age));
            }
        }
    }
}
