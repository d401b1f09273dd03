//! Readings and events as they come, from threads that may wait for the daemon; the screen never
//! does.

use crate::control::{self, Request};
use crate::events::{Line, Record};
use crate::live::{self, Reading};
use crate::locations::Locations;
use std::io::BufRead as _;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

/// News that wait for the screen. When it is full, the daemon sees a slow follower, and counts.
const BACKLOG: usize = 4096;
/// The daemon has its newest events in memory.
const LIMIT: Duration = Duration::from_secs(2);
/// Events from before this are no news.
const NEW: Duration = Duration::from_secs(60);

/// What came, and when.
#[derive(Debug)]
pub enum News {
    /// A reading, or why there is none.
    Reading(Box<Result<Reading, String>>, Instant),
    /// An event.
    Event(Box<Record>, Instant),
    /// There are no events, and why.
    NoEvents(String),
}

/// The threads that read; they end when this is dropped, or with the process.
pub struct Feed {
    /// What comes.
    pub news: Receiver<News>,
    _stop: Sender<()>,
}

impl Feed {
    /// Starts to read every `interval`. Without `ask_daemon`, from the pins alone.
    pub fn start(locations: Locations, ask_daemon: bool, interval: Duration) -> Self {
        let (sender, news) = mpsc::sync_channel(BACKLOG);
        let (stop, stopped) = mpsc::channel();
        thread::spawn(move || run(&locations, ask_daemon, interval, &sender, &stopped));
        Self { news, _stop: stop }
    }
}

fn run(
    locations: &Locations,
    ask_daemon: bool,
    interval: Duration,
    news: &SyncSender<News>,
    stopped: &Receiver<()>,
) {
    let mut follower: Option<JoinHandle<()>> = None;
    loop {
        let reading = live::read(locations, ask_daemon);
        let at = Instant::now();
        let has_daemon = reading.as_ref().is_ok_and(|r| r.status.daemon.is_some());
        let is_following = follower.as_ref().is_some_and(|f| !f.is_finished());
        if has_daemon && !is_following {
            // Of the earlier events, those that were told while nobody followed.
            follow(locations, false, Some(LIMIT), news);
            let (locations, news) = (locations.clone(), news.clone());
            follower = Some(thread::spawn(move || follow(&locations, true, None, &news)));
        }
        let reading = reading.map_err(|error| format!("{:#}", anyhow::Error::from(error)));
        if news.send(News::Reading(Box::new(reading), at)).is_err() {
            return;
        }
        let left = interval.saturating_sub(at.elapsed());
        match stopped.recv_timeout(left) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Hands events over until there are no more: the daemon ended, or nobody listens.
fn follow(locations: &Locations, follow: bool, limit: Option<Duration>, news: &SyncSender<News>) {
    let request = Request::Events { follow };
    // That there is no daemon is seen, and said, where the status is read.
    let Ok(lines) = control::open(&locations.control_socket, &request, limit) else {
        return;
    };
    for line in lines.lines().map_while(Result::ok) {
        let said = match serde_json::from_str(&line) {
            Ok(Line::Event(record)) => match record.age(SystemTime::now()) {
                Some(age) if age < NEW => {
                    let at = Instant::now().checked_sub(age);
                    News::Event(Box::new(record), at.unwrap_or_else(Instant::now))
                }
                _ => continue,
            },
            Ok(Line::Refused(refusal)) => News::NoEvents(refusal.message),
            Ok(Line::Lost(_) | Line::Totals(_)) => continue,
            Err(error) => News::NoEvents(format!(
                "the daemon's events are not understood; restart it after an upgrade: {error}"
            )),
        };
        if news.send(said).is_err() {
            return;
        }
    }
}
