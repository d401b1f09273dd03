//! The daemon: keeps the kernel in step with the configuration and with the host's interfaces.
//!
//! One thread, one loop. It never judges packets, and whatever goes wrong here leaves the policy
//! in force.

#![forbid(unsafe_code)]

mod apply;
mod events;
mod exceptions;
mod first;
mod guarding;
mod interfaces;
mod prepare;
mod reload;
mod resume;
mod rollback;
mod shared;
mod start;
mod upgrade;

pub use prepare::beyond_capacity;
pub use shared::{Reloads, Shared, View, unix_now, unix_now_ms};
pub use start::start;

use crate::applied::Applied;
use crate::config::policy::{self, Policy};
use crate::control::{Answer, Asked};
use crate::kernel::Kernel;
use crate::kernel::upgrade::Other;
use crate::state_directory::Lock;
use crate::watch::{Fingerprint, Schedule, Watcher};
use interfaces::Interfaces;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};

/// A daemon with a policy in force.
pub struct Daemon {
    kernel: Kernel,
    shared: Arc<Shared>,
    interfaces: Interfaces,
    /// The policy in force.
    policy: Arc<Policy>,
    /// Slots of its interfaces, in its order.
    slots: Vec<u8>,
    /// Interfaces, with their slots, of the policy that may come back: not detached before the
    /// confirmation.
    kept: Vec<(policy::Interface, u8)>,
    /// The last apply.
    applied: Option<Applied>,
    /// Files of a candidate and their state when it was applied.
    candidate: Option<(Vec<PathBuf>, Fingerprint)>,
    /// Whether a reload waits for the confirmation.
    is_deferred: bool,
    /// As at the start: changing them needs a restart.
    settings: policy::Daemon,
    config: PathBuf,
    watcher: Option<Watcher>,
    /// The configuration and its lists.
    files: Vec<PathBuf>,
    /// Their state when they were last loaded.
    loaded: Fingerprint,
    schedule: Schedule,
    /// Who waits for the next reload, and whether one of them forces it.
    waiting: Vec<oneshot::Sender<Answer>>,
    is_forced: bool,
    /// The pins of another ABI, until its links are taken over and its counts read.
    other: Option<Other>,
    exceptions: exceptions::Exceptions,
    requests: mpsc::Receiver<Asked>,
    /// Until when systemd waits for interfaces; `None` once it was told.
    ready_until: Option<Instant>,
    /// Why removed pins cannot be made again.
    pins_problem: Option<String>,
    /// Its holder is the one daemon.
    _lock: Lock,
}
