//! The real binary, run as an operator runs it, with everything that would be in system folders in
//! a folder of its own. Must never touch another host's pins, sockets or state.

mod config_map;
mod fail2ban;
mod follower;
mod held;
mod host;
mod manifest;
mod metrics;
mod process;
mod prometheus;
mod strace;
mod terminal;

pub use config_map::ConfigMap;
pub use fail2ban::{BAN_SECONDS, Fail2ban, JAIL};
pub use follower::Follower;
pub use held::Held;
pub use host::{Host, METRICS, binary, get, next_binary, object};
pub use manifest::{Manifest, Mount, documents, texts};
pub use metrics::{Metrics, Sample};
pub use process::Daemon;
pub use prometheus::{JOB, Prometheus, shipped, tool};
pub use strace::Strace;
pub use terminal::Terminal;
