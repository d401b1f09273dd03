//! The daemon: keeps the kernel in step with the configuration and with the host's interfaces.
//!
//! One thread, one loop. It never judges packets, and whatever goes wrong here leaves the policy
//! in force.

#![forbid(unsafe_code)]

mod events;
mod exceptions;
mod interfaces;
mod prepare;
mod reload;
mod shared;
mod start;

pub use prepare::beyond_capacity;
pub use shared::{Reloads, Shared, View, unix_now};
pub use start::start;

use crate::config::policy::{self, Policy};
use crate::control::{Answer, Asked};
use crate::kernel::Kernel;
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
    exceptions: exceptions::Exceptions,
    requests: mpsc::Receiver<Asked>,
    /// Until when systemd waits for interfaces; `None` once it was told.
    ready_until: Option<Instant>,
    /// Its holder is the one daemon.
    _lock: Lock,
}
