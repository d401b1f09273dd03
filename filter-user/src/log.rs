//! The daemon's log: one line an event on stderr, for people or as JSON.

#![forbid(unsafe_code)]

use crate::cli::LogLevel;
use crate::config::policy::LogFormat;
use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;

/// Starts to log. `level` wins over `RUST_LOG`. Later calls change nothing.
pub fn start(format: LogFormat, level: Option<LogLevel>) {
    let filter = match level {
        Some(level) => EnvFilter::new(level.as_str()),
        None => EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")),
    };
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // A second start, as in tests, is refused: the first one goes on.
    let _ = match format {
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
        LogFormat::Text => lines
            .with_ansi(std::io::stderr().is_terminal() && crate::config::use_color())
            .with_target(false)
            .try_init(),
    };
}
