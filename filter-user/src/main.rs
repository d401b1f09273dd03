//! `edge-filter`.

#![forbid(unsafe_code)]
#![warn(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use filter_user::{cli::Cli, commands, panic};
use std::process::ExitCode;

fn main() -> ExitCode {
    panic::guarded(|| commands::run(&Cli::read()))
}
