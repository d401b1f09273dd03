//! Options of what acts beside the policy: bans, timed allows, the bypass.

use crate::exceptions::{Note, Sort, Target, TargetError, Which, duration};
use clap::{ArgGroup, Args};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// An address on the command line, or `-`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addressee {
    /// This one.
    Target(Target),
    /// Those on standard input, one a line.
    Stdin,
}

impl FromStr for Addressee {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        match text {
            "-" => Ok(Self::Stdin),
            text => text.parse().map(Self::Target),
        }
    }
}

/// Options of `ban`.
#[derive(Debug, Args)]
pub struct BanOptions {
    /// Addresses or IPv6 /64s; `-` reads them from standard input, one a line
    #[arg(required = true, value_name = "IP[/N]")]
    pub addresses: Vec<Addressee>,
    /// Only from this service [default: from all]
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,
    /// For how long, such as 90s, 10m, 1h, 7days [default: without end]
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
    /// Why, in up to 200 bytes
    #[arg(long, value_name = "TEXT")]
    pub note: Option<Note>,
    /// Leave a ban that ends later as it is
    #[arg(long)]
    pub keep_longer: bool,
    /// Also sources that are exempt, management, or needed by this host
    #[arg(long)]
    pub force: bool,
    /// Where maps, programs and links are pinned [default: as configured]
    #[arg(long, value_name = "PATH")]
    pub pin_path: Option<PathBuf>,
}

/// Options of `allow`.
#[derive(Debug, Args)]
pub struct AllowOptions {
    /// Addresses or IPv6 /64s; `-` reads them from standard input, one a line
    #[arg(required = true, value_name = "IP[/N]")]
    pub addresses: Vec<Addressee>,
    /// Only to this service [default: to all]
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,
    /// For how long, such as 90s, 10m, 1h
    #[arg(long = "for", value_name = "TIME", value_parser = duration, required = true)]
    pub duration: Duration,
    /// Why, in up to 200 bytes
    #[arg(long, value_name = "TEXT")]
    pub note: Option<Note>,
    /// Where maps, programs and links are pinned [default: as configured]
    #[arg(long, value_name = "PATH")]
    pub pin_path: Option<PathBuf>,
}

/// Options of `unban` and `disallow`.
#[derive(Debug, Args)]
pub struct LiftOptions {
    /// Addresses or IPv6 /64s; `-` reads them from standard input, one a line
    #[arg(required = true, value_name = "IP[/N]")]
    pub addresses: Vec<Addressee>,
    /// Only that of this service [default: all of the address]
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,
    /// Only what was set with this note
    #[arg(long, value_name = "TEXT")]
    pub note: Option<Note>,
    /// Where maps, programs and links are pinned [default: as configured]
    #[arg(long, value_name = "PATH")]
    pub pin_path: Option<PathBuf>,
}

impl LiftOptions {
    /// What to lift of each address.
    pub fn which(&self) -> Which<'_> {
        Which {
            service: self.service.as_deref(),
            note: self.note.as_ref(),
        }
    }
}

/// Options of `bans` and `allows`.
#[derive(Debug, Args)]
pub struct ListOptions {
    /// What comes first
    #[arg(long, value_name = "ORDER", value_enum, default_value_t)]
    pub sort: Sort,
    /// Rows a page; 0 for all
    #[arg(long, value_name = "ROWS", default_value_t = 1000)]
    pub limit: usize,
    /// Which page
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = page)]
    pub page: usize,
    /// Where maps, programs and links are pinned [default: as configured]
    #[arg(long, value_name = "PATH")]
    pub pin_path: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `bypass`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("how").required(true).args(["duration", "end"]))]
pub struct BypassOptions {
    /// For how long, at most 24h; then the filter is in force again by itself
    #[arg(long = "for", value_name = "TIME", value_parser = bypass_duration)]
    pub duration: Option<Duration>,
    /// End it now
    #[arg(long)]
    pub end: bool,
    /// Where maps, programs and links are pinned [default: as configured]
    #[arg(long, value_name = "PATH")]
    pub pin_path: Option<PathBuf>,
}

/// Longer than a day, and nobody remembers that the host is open.
const LONGEST_BYPASS: Duration = Duration::from_secs(86_400);

fn bypass_duration(text: &str) -> Result<Duration, String> {
    let found = duration(text)?;
    if found > LONGEST_BYPASS {
        return Err("longer than 24h; to filter nothing for good: edge-filter unload".into());
    }
    Ok(found)
}

fn page(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(page @ 1..) => Ok(page),
        _ => Err("pages count from 1".into()),
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::Cli;
    use clap::Parser as _;

    #[test]
    fn usage_is_checked_before_anything_is_done() {
        for (line, is_valid) in [
            ("ban 192.0.2.1", true),
            (
                "ban 192.0.2.1 2001:db8::/64 --for 1h --note x --service api",
                true,
            ),
            ("ban -", true),
            ("ban", false),
            ("ban 192.0.2.0/24", false),
            ("ban 192.0.2.1 --for 10", false),
            ("allow 192.0.2.1", false),
            ("allow 192.0.2.1 --for 1h", true),
            ("unban 192.0.2.1", true),
            ("bans --sort expiry --limit 10 --page 2", true),
            ("bans --page 0", false),
            ("bypass", false),
            ("bypass --for 10m", true),
            ("bypass --for 25h", false),
            ("bypass --end", true),
            ("bypass --end --for 10m", false),
            ("bypass --pin-path /p", false),
            ("bypass --pin-path /p --for 10m", true),
            ("bypass --pin-path /p --end", true),
        ] {
            let arguments = ["edge-filter"].into_iter().chain(line.split(' '));
            let parsed = Cli::try_parse_from(arguments);
            assert_eq!(parsed.is_ok(), is_valid, "{line}: {parsed:?}");
        }
    }
}
