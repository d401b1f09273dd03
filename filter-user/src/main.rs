//! `edge-filter`.

#![forbid(unsafe_code)]

use clap::Parser as _;
use filter_user::{cli::Cli, commands};
use std::process::ExitCode;

fn main() -> ExitCode {
    commands::run(&Cli::parse())
}
