//! Options of `replay`.

use clap::{Args, ValueEnum};
use ipnet::IpNet;
use std::path::PathBuf;

/// Options of `replay`.
#[derive(Debug, Args)]
pub struct ReplayOptions {
    /// The capture, pcap or pcapng; - for standard input
    #[arg(value_name = "FILE")]
    pub capture: PathBuf,
    /// Only packets to this address or prefix; may be repeated [default: all that the capture
    /// does not call outgoing]
    #[arg(long, value_name = "IP[/N]", value_parser = super::prefix)]
    pub to: Vec<IpNet>,
    /// By which interface the packets come in [default: what the capture says, or the policy's
    /// only one]
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<String>,
    /// Also judge by this policy, and say what differs
    #[arg(long, value_name = "POLICY")]
    pub against: Option<Against>,
    /// How many sources are listed
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    pub top: usize,
    /// Where maps, programs and links are pinned [default: as configured]
    #[arg(long, value_name = "PATH", requires = "against")]
    pub pin_path: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What a replay is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Against {
    /// The policy in force.
    Running,
}
