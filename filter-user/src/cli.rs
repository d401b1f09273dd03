//! The command line: names, options, defaults and help. Nothing here does anything.

#![forbid(unsafe_code)]

mod exceptions;
mod pages;
mod replay;
mod run;
mod top;

pub use exceptions::{
    Addressee, AllowOptions, BanOptions, BypassOptions, LiftOptions, ListOptions,
};
pub use pages::{CompletionsOptions, ManOptions};
pub use replay::{Against, ReplayOptions};
pub use run::{LogLevel, RunOptions};
pub use top::TopOptions;

use crate::explain::{Flags, What};
use clap::builder::PossibleValuesParser;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use filter_common::verdict::Reason;
use ipnet::IpNet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Filters packets at the network edge, in XDP: known networks, agreed rates, nothing else.
#[derive(Debug, Parser)]
#[command(name = "edge-filter", version, max_term_width = 100)]
#[command(after_help = "Exit status: 0 done, 1 failed, 2 wrong usage, 3 invalid configuration.")]
pub struct Cli {
    /// Paths that every command takes.
    #[command(flatten)]
    pub paths: PathOptions,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Where the configuration and the daemon are.
#[derive(Clone, Debug, Args)]
pub struct PathOptions {
    /// The configuration
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "EDGE_FILTER_CONFIG",
        default_value = "/etc/edge-filter/config.toml"
    )]
    pub config: PathBuf,
    /// The daemon's control socket [default: as configured]
    #[arg(long, global = true, value_name = "PATH", env = "EDGE_FILTER_SOCKET")]
    pub socket: Option<PathBuf>,
    /// Whether the configuration was named on the command line.
    #[arg(skip)]
    pub is_config_named: bool,
}

impl Cli {
    /// From the process's arguments; ends it where they make no sense, or ask for help.
    pub fn read() -> Self {
        Self::from_matches(&Self::command().get_matches()).unwrap_or_else(|error| error.exit())
    }

    fn from_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut cli = Self::from_arg_matches(matches)?;
        let source = matches.value_source("config");
        cli.paths.is_config_named = source == Some(ValueSource::CommandLine);
        Ok(cli)
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the daemon in the foreground: load, attach, keep in sync, export
    ///
    /// SIGHUP and a change of the configuration, or of a list that it names, reload it. SIGTERM
    /// ends the daemon and leaves the filter in force.
    Run(RunOptions),
    /// Parse, validate and compile the configuration; print a summary and warnings
    Check(PrintOptions),
    /// Ask the daemon to reload; wait for the new generation or the errors
    Reload(ReloadOptions),
    /// Put a file's policy in force, and make it the configured file
    ///
    /// With --confirm it becomes the configured file only at `confirm`, and reverts by itself if
    /// that does not come in time, even if the daemon dies meanwhile.
    Apply(ApplyOptions),
    /// Keep what was applied: it becomes the configured file
    Confirm(PrintOptions),
    /// Undo the last apply, also a confirmed one
    Rollback(PinOptions),
    /// What is attached where, in which mode, since when, under which generation
    Status(PinOptions),
    /// Packets and bytes by device, service, action and reason
    Counters(PinOptions),
    /// A live view of rates, dropped sources and state; works without the daemon
    ///
    /// `?` shows the keys. A source can be banned and explained from it.
    Top(TopOptions),
    /// What would become of a packet, and why: verdict, reason, line of the configuration, rate
    ///
    /// Answered by the loaded program, which counts nothing for it and takes nothing from the
    /// source's rate; with --config on the command line, offline, by the same packet path.
    Explain(ExplainOptions),
    /// What a capture's packets would meet: verdicts by service and reason, sources dropped most
    ///
    /// Offline, by the same packet path, with the capture's times as the clock of the rates. Bans,
    /// timed allows and the host's sockets are not known to it.
    Replay(ReplayOptions),
    /// The newest sampled events: what was dropped or would have been, and accepted connections
    /// of services with log_connections
    ///
    /// How many a second there may be is events_per_second; what is beyond is counted and said.
    Events(EventOptions),
    /// Drop what comes from an address, at once; needs no daemon
    ///
    /// Refused for sources that a service exempts, for management sources, and for peers that
    /// this host cannot do without. It is kept across restarts and does not touch the policy.
    Ban(BanOptions),
    /// End bans of an address: of every service, or of one
    Unban(LiftOptions),
    /// List bans
    Bans(ListOptions),
    /// Let an address in for a while, beside the lists of the policy
    ///
    /// It wins over a missing `allow`, not over `deny` or a ban.
    Allow(AllowOptions),
    /// End timed allows of an address: of every service, or of one
    Disallow(LiftOptions),
    /// List timed allows
    Allows(ListOptions),
    /// What will go wrong on this host before it does, each finding with its fix
    ///
    /// Changes nothing. Exits 1 if there are errors or warnings.
    Doctor(DoctorOptions),
    /// Pass everything for a while and count what would be dropped
    ///
    /// The packet program itself ends it, daemon or not.
    Bypass(BypassOptions),
    /// Detach and unpin: the host is as if never filtered
    Unload(UnloadOptions),
    /// Print the completions for a shell
    Completions(CompletionsOptions),
    /// Write the manual pages into a directory: for those who make packages
    Man(ManOptions),
}

/// Options of commands that print data.
#[derive(Debug, Args)]
pub struct PrintOptions {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `reload`.
#[derive(Debug, Args)]
pub struct ReloadOptions {
    /// Take lists that shrink by more than their max_shrink_percent
    #[arg(long)]
    pub force: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `apply`.
#[derive(Debug, Args)]
pub struct ApplyOptions {
    /// The candidate; list paths in it mean what they will mean in the configured file's folder
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Revert after this time, unless confirmed
    #[arg(
        long,
        value_name = "TIME",
        num_args = 0..=1,
        require_equals = false,
        default_missing_value = "5m",
        value_parser = confirm_time
    )]
    pub confirm: Option<Duration>,
    /// Also if peers that matter now, you among them, would lose something
    #[arg(long)]
    pub force: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// From 5 s, which a person needs at least, to a day.
fn confirm_time(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    let bounds = Duration::from_secs(5)..=Duration::from_secs(86_400);
    if bounds.contains(&time) {
        Ok(time)
    } else {
        Err("a time from 5s to 24h".into())
    }
}

/// Options of commands that work from the pinned maps alone.
#[derive(Debug, Args)]
pub struct PinOptions {
    /// Where maps, programs and links are pinned [default: as configured]
    #[arg(long, value_name = "PATH")]
    pub pin_path: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `explain`.
#[derive(Debug, Args)]
pub struct ExplainOptions {
    /// Who sends the packet
    #[arg(long, value_name = "ADDRESS")]
    pub src: IpAddr,
    /// To which address of this host [default: the device's]
    #[arg(long, value_name = "ADDRESS")]
    pub dst: Option<IpAddr>,
    /// 443/tcp, 53/udp, 443/quic (an Initial), icmp, or an IP protocol
    #[arg(long, value_name = "PORT")]
    pub port: What,
    /// The sender's port
    #[arg(long, value_name = "NUMBER", default_value_t = 50_000)]
    pub sport: u16,
    /// TCP flags: syn (the default), ack, syn,ack, rst, fin,ack, none
    #[arg(long, value_name = "FLAGS")]
    pub flags: Option<Flags>,
    /// VLAN id of a tag that the packet still has; twice, the outer one first
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(u16).range(0..=4095))]
    pub vlan: Vec<u16>,
    /// By which interface it comes in [default: the policy's only one]
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,
    /// Where maps, programs and links are pinned [default: as configured]
    #[arg(long, value_name = "PATH")]
    pub pin_path: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `events`.
#[derive(Debug, Args)]
pub struct EventOptions {
    /// Print events as they come, until Ctrl-C
    #[arg(long)]
    pub follow: bool,
    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
    /// Only of this service; - for none
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub service: Option<String>,
    /// Only for this reason
    #[arg(long, value_parser = PossibleValuesParser::new(Reason::ALL.map(Reason::label)))]
    pub reason: Option<String>,
    /// Only from this address or prefix
    #[arg(long, value_name = "IP[/N]", value_parser = prefix)]
    pub source: Option<IpNet>,
}

fn prefix(text: &str) -> Result<IpNet, String> {
    let address = text.parse::<IpAddr>().map(IpNet::from);
    let prefix = address.or_else(|_| text.parse::<IpNet>());
    prefix.map_err(|_| "neither an address nor a prefix".to_owned())
}

/// Options of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorOptions {
    /// Look at this device only, configured or not
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `unload`.
#[derive(Debug, Args)]
pub struct UnloadOptions {
    /// Only this interface
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,
    /// Where maps, programs and links are pinned [default: as configured]
    #[arg(long, value_name = "PATH")]
    pub pin_path: Option<PathBuf>,
}

#[cfg(test)]
mod tests;
