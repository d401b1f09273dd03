//! `edge-filter`.

#![forbid(unsafe_code)]

use filter_user::{cli::Cli, commands, panic};
use std::process::ExitCode;

fn main() -> ExitCode {
    panic::guarded(|| commands::run(&Cli::read()))
}
