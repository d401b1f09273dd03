//! A finding: how bad, about what, and the command that mends it.

use serde::Serialize;
use std::fmt;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing; nothing is wrong.
    Note,
    /// Works, but not as one would expect.
    Warning,
    /// The filter does not start, or drops what it should not.
    Error,
}

impl Severity {
    /// For people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// The configuration is there and valid.
    Config,
    /// The kernel is new enough.
    Kernel,
    /// The kernel describes its types.
    Btf,
    /// Everything that the packet program uses is there, as probed.
    Features,
    /// BPF programs are compiled, not interpreted.
    Jit,
    /// The kernel does not measure each run of a BPF program.
    Statistics,
    /// The clock that each packet may read is cheap.
    Clocksource,
    /// The wall clock is kept right.
    Clock,
    /// This process has the capabilities that the daemon needs.
    Capabilities,
    /// The pins lie on a BPF file system.
    Bpffs,
    /// The state directory can be written.
    StateDirectory,
    /// The tables fit into memory.
    Memory,
    /// File changes can be watched.
    Inotify,
    /// The service manager starts the filter before the network is configured.
    Boot,
    /// Where the filter is attached, its daemon runs.
    Daemon,
    /// The device is there and carries Ethernet frames.
    Device,
    /// The program runs in the driver.
    Native,
    /// Receive queues allow XDP, and spread the load.
    Queues,
    /// Large receive offload is off.
    Lro,
    /// VLAN tags reach the filter.
    VlanOffload,
    /// The device is no member of a bond or bridge, and none itself.
    Member,
    /// No other XDP program is on the device.
    ForeignXdp,
    /// Attaching does not interrupt the link.
    LinkReset,
    /// Replies to the host's own sockets can be recognised.
    BoundSockets,
    /// The host does not forward or translate what the policy would drop.
    Forwarding,
    /// Published ports of containers are in the policy.
    Containers,
    /// Every way into the host is covered.
    Uncovered,
}

impl Check {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 27] = [
        Self::Config,
        Self::Kernel,
        Self::Btf,
        Self::Features,
        Self::Jit,
        Self::Statistics,
        Self::Clocksource,
        Self::Clock,
        Self::Capabilities,
        Self::Bpffs,
        Self::StateDirectory,
        Self::Memory,
        Self::Inotify,
        Self::Boot,
        Self::Daemon,
        Self::Device,
        Self::Native,
        Self::Queues,
        Self::Lro,
        Self::VlanOffload,
        Self::Member,
        Self::ForeignXdp,
        Self::LinkReset,
        Self::BoundSockets,
        Self::Forwarding,
        Self::Containers,
        Self::Uncovered,
    ];

    /// As output and documentation spell it.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Kernel => "kernel",
            Self::Btf => "btf",
            Self::Features => "features",
            Self::Jit => "jit",
            Self::Statistics => "statistics",
            Self::Clocksource => "clocksource",
            Self::Clock => "clock",
            Self::Capabilities => "capabilities",
            Self::Bpffs => "bpffs",
            Self::StateDirectory => "state_directory",
            Self::Memory => "memory",
            Self::Inotify => "inotify",
            Self::Boot => "boot",
            Self::Daemon => "daemon",
            Self::Device => "device",
            Self::Native => "native",
            Self::Queues => "queues",
            Self::Lro => "lro",
            Self::VlanOffload => "vlan_offload",
            Self::Member => "member",
            Self::ForeignXdp => "foreign_xdp",
            Self::LinkReset => "link_reset",
            Self::BoundSockets => "bound_sockets",
            Self::Forwarding => "forwarding",
            Self::Containers => "containers",
            Self::Uncovered => "uncovered",
        }
    }

    /// What goes wrong where it finds something.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Config => "the daemon refuses the file, or the file says more than was meant",
            Self::Kernel => "under 5.15 the packet program does not load; under 6.1 nobody tested",
            Self::Btf => "without BTF the packet program does not load",
            Self::Features => "something that the packet program calls is not in this kernel",
            Self::Jit => "an interpreted program costs several times as much for each packet",
            Self::Statistics => "the kernel reads its clock twice for each packet, to measure",
            Self::Clocksource => "a slow clock costs up to a microsecond for each rated packet",
            Self::Clock => {
                "times in logs, bans until a date and deadlines shown are wrong; rates are not"
            }
            Self::Capabilities => "the daemon cannot load or attach",
            Self::Bpffs => {
                "links and maps cannot be pinned: a filter that dies with its daemon is none"
            }
            Self::StateDirectory => "bans and the last good policy would be lost",
            Self::Memory => "tables and sources do not fit; a reload needs the tables twice",
            Self::Inotify => "a changed file takes seconds to be seen",
            Self::Boot => "after a boot the host is open until the filter starts, or for good",
            Self::Daemon => "verdicts go on, but no reload, no metrics, no event is seen",
            Self::Device => "it is not filtered",
            Self::Native => "each packet costs several times as much in generic mode",
            Self::Queues => "native mode is refused, or one CPU carries all of the load",
            Self::Lro => {
                "native mode is refused, or joined segments reach the filter as one packet"
            }
            Self::VlanOffload => {
                "`explain --vlan` and the capture show a tag that the filter does not"
            }
            Self::Member => "packets are judged that are not for this host, or some are not judged",
            Self::ForeignXdp => {
                "the daemon refuses the device: another's program is never replaced"
            }
            Self::LinkReset => "the link goes down for seconds when the filter is attached first",
            Self::BoundSockets => {
                "under \"drop\" the answers to what these sockets ask are dropped"
            }
            Self::Forwarding => "under \"drop\" what is forwarded or translated is dropped",
            Self::Containers => "a port that is open to everybody and not in the policy",
            Self::Uncovered => "packets come in that no filter sees",
        }
    }
}

/// Something found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// By which check.
    pub check: Check,
    /// The device that it is about, if one.
    pub device: Option<String>,
    /// What is so.
    pub message: String,
    /// The command, or the line of the configuration, that mends it.
    pub fix: Option<String>,
}

impl Finding {
    pub(super) fn new(severity: Severity, check: Check, message: impl Into<String>) -> Self {
        Self {
            severity,
            check,
            device: None,
            message: message.into(),
            fix: None,
        }
    }

    pub(super) fn error(check: Check, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, check, message)
    }

    pub(super) fn warning(check: Check, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, check, message)
    }

    pub(super) fn note(check: Check, message: impl Into<String>) -> Self {
        Self::new(Severity::Note, check, message)
    }

    pub(super) fn on(mut self, device: &str) -> Self {
        self.device = Some(device.to_owned());
        self
    }

    pub(super) fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (severity, check) = (self.severity.label(), self.check.id());
        write!(f, "{severity:<8}{check}: ")?;
        if let Some(device) = &self.device {
            write!(f, "{device}: ")?;
        }
        f.write_str(&self.message)?;
        for line in self.fix.iter().flat_map(|fix| fix.lines()) {
            write!(f, "\n        {line}")?;
        }
        Ok(())
    }
}
