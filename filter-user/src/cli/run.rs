//! Options of `run`.

use clap::{Args, ValueEnum};

/// Options of `run`.
#[derive(Debug, Args)]
pub struct RunOptions {
    /// What is logged [default: RUST_LOG, else info]
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<LogLevel>,
    /// Also log what the packet program says, down to this level; costs time for each packet
    #[arg(long, value_name = "LEVEL")]
    pub kernel_log: Option<LogLevel>,
    /// Attach to the loopback interface too, if it is configured
    #[arg(long)]
    pub force: bool,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum LogLevel {
    /// What failed.
    Error,
    /// And what needs attention.
    Warn,
    /// And what happened.
    Info,
    /// And why.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// As filters spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }

    /// As the packet program counts: 1 errors, to 5 everything.
    pub const fn number(self) -> u8 {
        self as u8 + 1
    }
}
