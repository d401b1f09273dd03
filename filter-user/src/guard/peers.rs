//! Who matters now: read from the host's sockets, routes and resolvers. Loopback does not, since
//! no packet of it comes in by a filtered interface.

use super::known::{gateways, resolvers};
use crate::config::policy::Interface;
use crate::kernel::KernelError;
use crate::kernel::netlink::{self, Link};
use procfs::net::{TcpNetEntry, TcpState, tcp, tcp6};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const DNS: u16 = 53;
const DHCP_SERVER: u16 = 67;
const DHCP_CLIENT: u16 = 68;

/// Why a peer matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The operator who gives the command came from there.
    Operator,
    /// The way out.
    Gateway,
    /// Names are asked there.
    Resolver,
    /// It read the metrics last.
    Scraper,
    /// It has a connection.
    Client,
}

impl Why {
    /// For messages.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Operator => "your own SSH peer",
            Self::Gateway => "the default gateway",
            Self::Resolver => "the resolver",
            Self::Scraper => "the metrics scraper",
            Self::Client => "the client",
        }
    }
}

/// What a peer speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP or ICMPv6.
    Icmp,
}

impl Transport {
    /// As configurations spell it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
        }
    }
}

/// Somebody who matters, by the packets that come from there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Why.
    pub why: Why,
    /// From where.
    pub remote: SocketAddr,
    /// To where; an unspecified address stands for each of the host's.
    pub local: SocketAddr,
    /// What it speaks.
    pub transport: Transport,
    /// Whether it opens connections to the host.
    pub opens: bool,
    /// Connections that it stands for.
    pub count: u32,
}

/// Which configured interfaces packets to an address come in by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// By these.
    By(Vec<String>),
    /// By any: the address is on no device that packets come in by.
    Any,
}

/// The host and its peers.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// Who matters.
    pub peers: Vec<Peer>,
    /// The host's addresses, without those of uncovered devices.
    pub addresses: BTreeMap<IpAddr, Coverage>,
}

impl Host {
    /// Reads it. `operator` is the value of `SSH_CONNECTION`, `scraper` who read the metrics last,
    /// and from where it was answered.
    ///
    /// # Errors
    /// Netlink does not answer. What else cannot be read is left out, with a warning.
    pub async fn read(
        configured: &[Interface],
        links: &[Link],
        ephemeral_port: u16,
        operator: Option<Peer>,
        scraper: Option<(SocketAddr, SocketAddr)>,
    ) -> Result<Self, KernelError> {
        let addresses = netlink::addresses().await?;
        let addresses = addresses.into_iter().filter_map(|(address, index)| {
            let is_outside = !address.is_loopback() && !address.is_multicast();
            let coverage = is_outside.then(|| coverage(index, links, configured))??;
            Some((address, coverage))
        });
        let mut peers: Vec<Peer> = operator.into_iter().collect();
        for gateway in gateways() {
            peers.push(of_gateway(gateway, Transport::Icmp));
            if gateway.is_ipv4() {
                peers.push(of_gateway(gateway, Transport::Udp));
            }
        }
        for resolver in resolvers() {
            peers.push(of_resolver(resolver, Transport::Udp, ephemeral_port));
            peers.push(of_resolver(resolver, Transport::Tcp, ephemeral_port));
        }
        if let Some((remote, local)) = scraper {
            peers.push(Peer {
                why: Why::Scraper,
                remote,
                local,
                transport: Transport::Tcp,
                opens: true,
                count: 1,
            });
        }
        peers.extend(clients(&sockets()));
        peers.retain(|peer| !peer.remote.ip().is_loopback());
        Ok(Self {
            peers,
            addresses: addresses.collect(),
        })
    }

    /// The host's addresses to which packets of a peer may come in by an interface.
    pub fn locals(&self, peer: &Peer, interface: &str) -> Vec<IpAddr> {
        let named = peer.local.ip();
        let own = self.addresses.iter().filter(|(own, coverage)| {
            let is_meant = match named.is_unspecified() {
                true => own.is_ipv4() == peer.remote.is_ipv4(),
                false => **own == named,
            };
            is_meant
                && match coverage {
                    Coverage::By(names) => names.iter().any(|name| name == interface),
                    Coverage::Any => true,
                }
        });
        own.map(|(own, _)| *own).collect()
    }
}

/// The operator's peer, from `SSH_CONNECTION`: its address and port, the host's address and port.
pub fn ssh_peer(ssh_connection: &str) -> Option<Peer> {
    let words: Vec<_> = ssh_connection.split_whitespace().collect();
    let [remote, remote_port, local, local_port] = words[..] else {
        return None;
    };
    let end = |address: &str, port: &str| {
        let address: IpAddr = address.split('%').next()?.parse().ok()?;
        Some(SocketAddr::new(address.to_canonical(), port.parse().ok()?))
    };
    Some(Peer {
        why: Why::Operator,
        remote: end(remote, remote_port)?,
        local: end(local, local_port)?,
        transport: Transport::Tcp,
        opens: true,
        count: 1,
    })
}

fn of_gateway(gateway: IpAddr, transport: Transport) -> Peer {
    let (from, to) = match transport {
        Transport::Udp => (DHCP_SERVER, DHCP_CLIENT),
        _ => (0, 0),
    };
    Peer {
        why: Why::Gateway,
        remote: SocketAddr::new(gateway, from),
        local: unspecified(gateway, to),
        transport,
        opens: false,
        count: 1,
    }
}

fn of_resolver(resolver: IpAddr, transport: Transport, ephemeral_port: u16) -> Peer {
    Peer {
        why: Why::Resolver,
        remote: SocketAddr::new(resolver, DNS),
        local: unspecified(resolver, ephemeral_port),
        transport,
        opens: false,
        count: 1,
    }
}

fn unspecified(like: IpAddr, port: u16) -> SocketAddr {
    match like {
        IpAddr::V4(_) => SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port),
        IpAddr::V6(_) => SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port),
    }
}

/// Peers with an established connection to a port that the host listens on.
fn clients(sockets: &[(TcpState, SocketAddr, SocketAddr)]) -> Vec<Peer> {
    let listening: BTreeSet<u16> = sockets
        .iter()
        .filter(|(state, ..)| *state == TcpState::Listen)
        .map(|(_, local, _)| local.port())
        .collect();
    let mut counts: BTreeMap<(SocketAddr, IpAddr), (u16, u32)> = BTreeMap::new();
    for (state, local, remote) in sockets {
        if *state == TcpState::Established && listening.contains(&local.port()) {
            let (_, count) = counts
                .entry((*local, remote.ip()))
                .or_insert((remote.port(), 0));
            *count += 1;
        }
    }
    let peer = |((local, remote), (port, count))| Peer {
        why: Why::Client,
        remote: SocketAddr::new(remote, port),
        local,
        transport: Transport::Tcp,
        opens: true,
        count,
    };
    counts.into_iter().map(peer).collect()
}

/// State, local end and remote end of the host's TCP sockets.
fn sockets() -> Vec<(TcpState, SocketAddr, SocketAddr)> {
    let canonical = |end: SocketAddr| SocketAddr::new(end.ip().to_canonical(), end.port());
    let socket = |entry: TcpNetEntry| {
        let (local, remote) = (entry.local_address, entry.remote_address);
        (entry.state, canonical(local), canonical(remote))
    };
    [tcp(), tcp6()]
        .into_iter()
        .flat_map(|entries| {
            entries.unwrap_or_else(|error| {
                // A host without IPv6 has no such file.
                tracing::debug!(%error, "the guard knows only some of the sockets");
                Vec::new()
            })
        })
        .map(socket)
        .collect()
}

/// By which configured interfaces packets to an address on a device come in; `None` if by none.
fn coverage(device: u32, links: &[Link], configured: &[Interface]) -> Option<Coverage> {
    let is_configured = |link: &&Link| configured.iter().any(|i| i.name == link.name);
    let device = links.iter().find(|link| link.index == device)?;
    // Down to what carries it: a VLAN's device, a tunnel's.
    let mut below = vec![device];
    while let Some(lower) = below.last().and_then(|link| link.lower) {
        match links.iter().find(|link| link.index == lower) {
            Some(link) if !below.contains(&link) => below.push(link),
            _ => break,
        }
    }
    let members = links
        .iter()
        .filter(|l| below.iter().any(|link| l.master == Some(link.index)));
    let names: BTreeSet<_> = members
        .chain(below.iter().copied())
        .filter(is_configured)
        .map(|link| link.name.clone())
        .collect();
    if !names.is_empty() {
        return Some(Coverage::By(names.into_iter().collect()));
    }
    // An address for a service that is routed here, not one of a network.
    (device.is_loopback || device.is_dummy).then_some(Coverage::Any)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::policy::AttachMode;

    fn link(index: u32, name: &str) -> Link {
        Link {
            index,
            name: name.into(),
            is_ethernet: true,
            ..Link::default()
        }
    }

    #[test]
    fn packets_to_a_vlan_or_a_bridge_come_in_by_what_carries_it() {
        let mut links = [
            link(1, "lo"),
            link(2, "eth0"),
            link(3, "eth0.7"),
            link(4, "br0"),
            link(5, "eth1"),
            link(6, "eth2"),
        ];
        links[0].is_loopback = true;
        links[2].lower = Some(2);
        links[4].master = Some(4);
        let configured = ["eth0", "eth1"].map(|name| Interface {
            name: name.into(),
            attach_mode: AttachMode::Auto,
        });
        let by = |name: &str| Some(Coverage::By(vec![name.into()]));
        for (index, wanted) in [
            (2, by("eth0")),
            (3, by("eth0")),
            (4, by("eth1")),
            (1, Some(Coverage::Any)),
            (6, None),
        ] {
            assert_eq!(coverage(index, &links, &configured), wanted, "{index}");
        }
    }

    #[test]
    fn an_ssh_connection_names_both_ends() {
        let peer = ssh_peer("::ffff:192.0.2.1 50000 198.51.100.2 22").unwrap();
        assert_eq!(peer.remote, "192.0.2.1:50000".parse().unwrap());
        assert_eq!(peer.local, "198.51.100.2:22".parse().unwrap());
        for nonsense in ["", "a b c d", "192.0.2.1 1 192.0.2.2", "::1 1 ::2 99999"] {
            assert_eq!(ssh_peer(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn only_connections_that_others_opened_count_and_by_peer() {
        let end = |text: &str| text.parse::<SocketAddr>().unwrap();
        let sockets = [
            (TcpState::Listen, end("0.0.0.0:443"), end("0.0.0.0:0")),
            (
                TcpState::Established,
                end("192.0.2.2:443"),
                end("192.0.2.1:5000"),
            ),
            (
                TcpState::Established,
                end("192.0.2.2:443"),
                end("192.0.2.1:5001"),
            ),
            (
                TcpState::TimeWait,
                end("192.0.2.2:443"),
                end("192.0.2.1:5002"),
            ),
            (
                TcpState::Established,
                end("192.0.2.2:40000"),
                end("192.0.2.9:443"),
            ),
        ];
        let clients = clients(&sockets);
        assert_eq!(clients.len(), 1);
        assert_eq!((clients[0].count, clients[0].remote.port()), (2, 5000));
    }
}
