//! What the daemon's tasks share: the pins, read-only, and what the daemon knows beside them.

use crate::applied::Applied;
use crate::ids::Book;
use crate::in_force::InForce;
use crate::kernel::Pins;
use crate::kernel::netlink::Link;
use crate::report::{DaemonStatus, Known, LastReload, Status};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// For metrics and status; the daemon writes, they read.
pub struct Shared {
    /// The maps.
    pub pins: Pins,
    view: Mutex<View>,
}

/// What the daemon knows beside the maps.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Names of numbers.
    pub book: Book,
    /// The policy in force.
    pub in_force: InForce,
    /// The last apply.
    pub applied: Option<Applied>,
    /// Why interfaces are not attached.
    pub problems: BTreeMap<String, String>,
    /// Since this process started.
    pub reloads: Reloads,
    /// The newest one.
    pub last_reload: Option<LastReload>,
    /// The file says something else than the policy in force.
    pub is_file_different: bool,
    /// Keys that were changed but need a restart.
    pub needs_restart: Vec<String>,
    /// Id of the packet program.
    pub program: u32,
    /// What is loaded.
    pub config: PathBuf,
    /// Unix time, seconds.
    pub started_at: u64,
    /// Peers that lost something by the newest policy.
    pub guard_findings: u64,
    /// Who read the metrics last, and the address that answered.
    pub scraper: Option<(SocketAddr, SocketAddr)>,
}

impl View {
    /// Who read the metrics last, if it was another host; else who did when that was written down.
    pub fn scraper(&self) -> Option<IpAddr> {
        let last = self.scraper.map(|(remote, _)| remote.ip().to_canonical());
        let last = last.filter(|address| !address.is_loopback());
        last.or(self.in_force.scraper)
    }
}

/// How many there were.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reloads {
    /// A new policy came in force.
    pub applied: u64,
    /// The old one stayed.
    pub rejected: u64,
    /// An earlier one came back.
    pub reverted: u64,
}

impl Shared {
    /// With nothing known yet.
    pub fn new(pins: Pins, view: View) -> Self {
        Self {
            pins,
            view: Mutex::new(view),
        }
    }

    /// What is known; not to be held while waiting.
    pub fn view(&self) -> MutexGuard<'_, View> {
        // Whoever panicked had it in hand for plain assignments only.
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `status` answers.
    pub fn status(&self, links: &[Link]) -> Status {
        let view = self.view().clone();
        let known = Known {
            book: &view.book,
            in_force: Some(&view.in_force),
            applied: view.applied.as_ref(),
            links,
            program: Some(view.program),
            problems: &view.problems,
        };
        let mut status = Status::new(&self.pins, &known);
        status.daemon = Some(DaemonStatus {
            pid: std::process::id(),
            started_at: view.started_at,
            uptime_seconds: unix_now().saturating_sub(view.started_at),
            config: view.config,
            last_reload: view.last_reload,
            is_file_different: view.is_file_different,
            needs_restart: view.needs_restart,
        });
        status
    }
}

/// Seconds since 1970.
pub fn unix_now() -> u64 {
    unix_now_ms() / 1000
}

/// Milliseconds since 1970.
pub fn unix_now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}
