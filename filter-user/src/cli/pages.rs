//! Options of the commands that print what the command line is.

use clap::Args;
use std::path::PathBuf;

/// Options of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsOptions {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// Options of `man`.
#[derive(Debug, Args)]
pub struct ManOptions {
    /// Where to; made if it is missing
    #[arg(value_name = "DIRECTORY")]
    pub directory: PathBuf,
}
