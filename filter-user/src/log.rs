//! The daemon's log: one line an event on stderr, for people or as JSON.

#![forbid(unsafe_code)]

use crate::cli::LogLevel;
use crate::config::policy::LogFormat;
use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;

/// Crate of the packet program: what its own lines go under.
const KERNEL: &str = "edge_filter_xdp";

/// What the library that watches folders says of ordinary things, such as a folder that is gone.
/// What it fails at is returned, and told by us. `RUST_LOG` can have it all.
const WATCHES: &str = "notify=error";

/// Starts to log. `level` wins over `RUST_LOG`; `kernel` is for what the packet program says,
/// whatever the others are. Later calls change nothing.
pub fn start(format: LogFormat, level: Option<LogLevel>, kernel: Option<LogLevel>) {
    let of_level = |level: &str| EnvFilter::new(format!("{level},{WATCHES}"));
    let mut filter = match level {
        Some(level) => of_level(level.as_str()),
        None => EnvFilter::try_from_default_env().unwrap_or_else(|_| of_level("info")),
    };
    let kernel = kernel.map(|level| format!("{KERNEL}={}", level.as_str()));
    if let Some(directive) = kernel.and_then(|text| text.parse().ok()) {
        filter = filter.add_directive(directive);
    }
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
