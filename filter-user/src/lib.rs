//! The config's way and the daemon.

// A bug is an error that says so, or a verdict; never a panic that a user meets. Tests may panic.
// Modules that read what others wrote do not index either: files, captures, requests, netlink.
#![cfg_attr(
    not(test),
    warn(
        clippy::expect_used,
        clippy::panic,
        clippy::todo,
        clippy::unimplemented,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

/// The same as std's, which panics if nobody reads any more: a command that said something to a
/// closed pipe, or to a terminal that is gone, still ends what it does, with its own exit status.
macro_rules! eprintln {
    ($($arguments:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($arguments)*);
    }};
}

pub mod applied;
pub mod cli;
pub mod columns;
pub mod commands;
pub mod compile;
pub mod config;
pub mod configured;
pub mod control;
pub mod daemon;
pub mod doctor;
pub mod events;
pub mod exceptions;
pub mod explain;
pub mod guard;
pub mod ids;
pub mod in_force;
pub mod kernel;
pub mod last_good;
pub mod live;
pub mod locations;
pub mod log;
pub mod metrics;
pub mod offline;
pub mod page;
pub mod panic;
pub mod replay;
pub mod report;
pub mod shrink;
pub mod state_directory;
pub mod tally;
pub mod top;
pub mod watch;
