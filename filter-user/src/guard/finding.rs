//! What a policy would take away from whom.

use super::{Transport, Why};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

/// Something that a peer would lose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Why the peer matters.
    pub why: Why,
    /// Who.
    pub peer: IpAddr,
    /// To which of the host's addresses.
    pub local: IpAddr,
    /// The host's port; 0 for ICMP.
    pub port: u16,
    /// TCP, UDP or ICMP.
    pub transport: Transport,
    /// Connections that it stands for.
    pub count: u32,
    /// What is lost.
    pub loses: Loses,
    /// Label of the reason.
    pub reason: String,
    /// The service that the port belongs to.
    pub service: Option<String>,
    /// The configuration.
    pub file: Option<PathBuf>,
    /// 1-based line in it: the service, or what becomes of ports of none.
    pub line: Option<u32>,
}

/// Which of its packets a peer loses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loses {
    /// Those of its established connections.
    Established,
    /// Those that open one.
    NewConnections,
    /// Both.
    Both,
}

impl Loses {
    /// Together.
    pub fn and(self, other: Self) -> Self {
        if self == other { self } else { Self::Both }
    }

    /// What is left where some of it was lost before.
    pub fn without(self, before: Option<Self>) -> Option<Self> {
        match (self, before) {
            (own, None) => Some(own),
            (_, Some(Self::Both)) => None,
            (Self::Both, Some(Self::Established)) => Some(Self::NewConnections),
            (Self::Both, Some(Self::NewConnections)) => Some(Self::Established),
            (own, Some(before)) => (own != before).then_some(own),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (who, peer) = (self.why.label(), self.peer);
        write!(f, "{who} {peer} would lose ")?;
        match (self.loses, self.count) {
            (Loses::NewConnections, _) => write!(f, "new connections")?,
            (Loses::Established, 1) => write!(f, "its connection")?,
            (Loses::Established, n) => write!(f, "{n} connections")?,
            (Loses::Both, 1) => write!(f, "its connection, and new ones")?,
            (Loses::Both, n) => write!(f, "{n} connections, and new ones")?,
        }
        match self.transport {
            Transport::Icmp => {}
            transport => {
                let port = self.port;
                write!(f, " to {} port {port}/{}", self.local, transport.label())?;
            }
        }
        write!(f, ": {}", self.reason)?;
        if let Some(service) = &self.service {
            write!(f, ", service \"{service}\"")?;
        }
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, " ({}:{line})", file.display()),
            _ => Ok(()),
        }
    }
}
