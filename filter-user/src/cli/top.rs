//! Options of `top`.

use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

/// Options of `top`.
#[derive(Debug, Args)]
pub struct TopOptions {
    /// Between two readings, from 100ms to 1h
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    pub interval: Duration,
    /// Print one screen as plain text, after one interval, and end
    #[arg(long)]
    pub once: bool,
    /// With --once: only services with this in their name
    #[arg(long, value_name = "TEXT", requires = "once")]
    pub service: Option<String>,
    /// Where maps, programs and links are pinned [default: as configured]
    #[arg(long, value_name = "PATH")]
    pub pin_path: Option<PathBuf>,
    /// With --once: print the reading as JSON
    #[arg(long, requires = "once")]
    pub json: bool,
}

/// A reading costs the daemon some milliseconds: ten a second are the most.
fn interval(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    let bounds = Duration::from_millis(100)..=Duration::from_secs(3600);
    if bounds.contains(&time) {
        Ok(time)
    } else {
        Err("a time from 100ms to 1h".into())
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::Cli;
    use clap::Parser as _;

    #[test]
    fn usage_is_checked_before_the_screen_is_taken() {
        for (line, is_valid) in [
            ("top", true),
            ("top --interval 500ms", true),
            ("top --interval 5", false),
            ("top --interval 10ms", false),
            ("top --once --json", true),
            ("top --json", false),
            ("top --once --service api", true),
        ] {
            let arguments = ["edge-filter"].into_iter().chain(line.split(' '));
            let parsed = Cli::try_parse_from(arguments);
            assert_eq!(parsed.is_ok(), is_valid, "{line}: {parsed:?}");
        }
    }
}
