//! A valid policy: what `validate` proves and `compile` reads. No invalid state can be written
//! by `validate`; names of lists and interfaces have become indices, and nothing of the file's
//! spelling is left but the places that `explain` quotes.

use ipnet::{Ipv4Net, Ipv6Net};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// Everything a configuration says.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Settings of the daemon; changing one asks for a restart.
    pub daemon: Daemon,
    /// At most 16, names distinct.
    pub interfaces: Vec<Interface>,
    /// Whether anything is dropped at all.
    pub mode: Mode,
    /// What happens to what no service lists.
    pub unlisted_ports: Unlisted,
    /// IP protocols other than TCP and UDP that pass as replies.
    pub protocols: Vec<u8>,
    /// Host ports answered to without a connected socket. Never `Transport::Quic`.
    pub reply_ports: Vec<Ports>,
    /// Ports and sources that pass before anything else is asked.
    pub management: Option<Management>,
    /// Named prefix lists, at most 64, names distinct.
    pub lists: Vec<PrefixList>,
    /// At most 64, names distinct, no port claimed twice for one interface and address.
    pub services: Vec<Service>,
}

impl Policy {
    /// Prefixes in its lists, as written.
    pub fn prefixes(&self) -> usize {
        let counts = self.lists.iter().map(|list| list.v4.len() + list.v6.len());
        counts.sum()
    }
}

/// `[daemon]`, defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// Where `/metrics` is served.
    pub metrics_listen: SocketAddr,
    /// Who gets the status page.
    pub status_page: StatusPage,
    /// Names of this host in browsers, lower case, beside addresses and `localhost`.
    pub status_page_hosts: Vec<String>,
    /// Folder in a bpffs for maps, programs and links.
    pub pin_path: PathBuf,
    /// Folder for the last good policy, service numbers and bans.
    pub state_directory: PathBuf,
    /// Path of the control socket.
    pub control_socket: PathBuf,
    /// How the daemon writes its log.
    pub log_format: LogFormat,
    /// Sources of which a rate is remembered, 16,384 to 16,777,216.
    pub tracked_sources: u32,
    /// Sampled events a second and CPU.
    pub events_per_second: u32,
}

/// Who gets the status page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusPage {
    /// Connections over loopback.
    Loopback,
    /// Who reaches the listener.
    Everywhere,
    /// Nobody.
    Off,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// One `[[interface]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// As the kernel names it.
    pub name: String,
    /// Native, generic, or the first that works.
    pub attach_mode: AttachMode,
}

/// Where XDP may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachMode {
    /// Native, else generic, loudly.
    Auto,
    /// In the driver, or not at all.
    Native,
    /// After the kernel has allocated for the packet.
    Generic,
}

/// Whether drops happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Drop.
    Enforce,
    /// Count what would be dropped, and pass it.
    Monitor,
}

/// What happens to ports that no service lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unlisted {
    /// Pass.
    Pass,
    /// Pass, and count what `Drop` would drop.
    Monitor,
    /// Drop, but for what answers the host itself.
    Drop,
}

/// What a port number belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// UDP on which QUIC is spoken.
    Quic,
}

/// A range of ports, both ends included; `first <= last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// First port.
    pub first: u16,
    /// Last port.
    pub last: u16,
    /// TCP, UDP or QUIC.
    pub transport: Transport,
}

/// `[policy.management]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Management {
    /// TCP or UDP; never `Transport::Quic`.
    pub ports: Vec<Ports>,
    /// Who may.
    pub from: Sources,
}

/// A named list, read and checked. Prefixes are as the operator wrote them (may nest or repeat),
/// without host bits.
#[derive(Clone, Debug, PartialEq)]
pub struct PrefixList {
    /// Its name in the configuration.
    pub name: String,
    /// IPv4 prefixes.
    pub v4: Vec<Ipv4Net>,
    /// IPv6 prefixes, none of them IPv4-mapped.
    pub v6: Vec<Ipv6Net>,
    /// The file it came from, if one.
    pub file: Option<PathBuf>,
    /// An automatic reload that loses more than this is refused.
    pub max_shrink_percent: u8,
    /// 1-based line in the configuration, for `explain`.
    pub line: u32,
}

/// A set of sources: the union of lists and of prefixes written in place.
/// "any" has become `0.0.0.0/0` and `::/0`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sources {
    /// Indices into `Policy::lists`.
    pub lists: Vec<usize>,
    /// Prefixes and addresses written in place.
    pub v4: Vec<Ipv4Net>,
    /// Prefixes and addresses written in place.
    pub v6: Vec<Ipv6Net>,
}

/// One `[[service]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// `[a-z0-9_-]{1,63}`.
    pub name: String,
    /// What it listens on; not empty.
    pub ports: Vec<Ports>,
    /// Indices into `Policy::interfaces`; `None` is every interface.
    pub interfaces: Option<Vec<usize>>,
    /// The host's own addresses that it means; empty is any.
    pub addresses: Vec<IpAddr>,
    /// Whether its drops happen.
    pub mode: Mode,
    /// Who may; not empty.
    pub allow: Sources,
    /// Who may not, whatever `allow` says.
    pub deny: Sources,
    /// Who is never limited; does not imply `allow`.
    pub exempt: Sources,
    /// Whether accepted new connections are events.
    pub log_connections: bool,
    /// How fast one source may come.
    pub rate_limit: Option<RateLimit>,
    /// 1-based line of its `[[service]]`, for `explain`.
    pub line: u32,
}

/// A burst that may come at once, then one every `1 / per_second`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Events a second, more than 0.
    pub per_second: f64,
    /// Events at once, at least 1.
    pub burst: f64,
}

/// `[service.rate_limit]`.
#[derive(Clone, Debug, PartialEq)]
pub struct RateLimit {
    /// New connections of a source.
    pub connections: Option<Rate>,
    /// Packets of a source.
    pub packets: Option<Rate>,
    /// Sources are counted by this prefix length, 1 to 32.
    pub source_prefix_ipv4: u8,
    /// Sources are counted by this prefix length, 1 to 128.
    pub source_prefix_ipv6: u8,
    /// Other rates for some sources; the most specific prefix wins.
    pub overrides: Vec<Override>,
}

/// `[[service.rate_limit.override]]`; what it does not say is as in the service.
#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    /// For whom.
    pub sources: Sources,
    /// New connections of a source, if other than the service's.
    pub connections: Option<Rate>,
    /// Packets of a source, if other than the service's.
    pub packets: Option<Rate>,
}
