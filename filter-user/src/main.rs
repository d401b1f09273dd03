//! `edge-filter`.

#![forbid(unsafe_code)]

use filter_user::{cli::Cli, commands};
use std::process::ExitCode;

fn main() -> ExitCode {
    commands::run(&Cli::read())
}
