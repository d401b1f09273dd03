//! The guard: before a policy takes force it is asked, by the packet path itself, about the peers
//! that matter now. What one of them would lose is said before it is lost.
//!
//! It reads no clock and consumes no rate: each peer is asked about as if it were the first packet.

#![forbid(unsafe_code)]

mod finding;
mod frames;
mod known;
mod peers;

pub use finding::{Finding, Loses};
pub use known::{gateways, resolvers, ssh_connections};
pub use peers::{Coverage, Host, Peer, Transport, Why, ssh_peer};

use crate::compile::{CompileError, Generation, Ids, compile};
use crate::config::policy::Policy;
use crate::config::{Loaded, SourceFile};
use crate::offline;
use filter_common::addr::Address;
use filter_common::verdict::{Decision, Outcome};
use filter_ebpf::tables::Ends;
use std::net::{IpAddr, SocketAddr};

/// What `candidate` would take away from peers that `current`, the policy in force, serves.
/// Without a current policy everything that the candidate drops counts.
///
/// # Errors
/// The current policy does not compile; it did when it was put in force.
pub fn ask(
    candidate: &Loaded,
    generation: &Generation,
    ids: &Ids,
    current: Option<&Policy>,
    host: &Host,
) -> Result<Vec<Finding>, CompileError> {
    let policy = &candidate.policy;
    let view = View {
        policy,
        generation,
        ids,
    };
    let mut lost: Vec<(&Peer, Lost)> = Vec::new();
    for peer in &host.peers {
        lost.extend(view.loses(peer, host).map(|lost| (peer, lost)));
    }
    if let (false, Some(current)) = (lost.is_empty(), current) {
        let ids = Ids {
            services: (0..current.services.len() as u8).collect(),
            interfaces: (0..current.interfaces.len() as u8).collect(),
        };
        let generation = compile(current, &ids)?;
        let before = View {
            policy: current,
            generation: &generation,
            ids: &ids,
        };
        // What is dropped already is not taken away.
        lost.retain_mut(|(peer, lost)| {
            let had_not = before.loses(peer, host).map(|lost| lost.loses);
            match lost.loses.without(had_not) {
                Some(rest) => {
                    lost.loses = rest;
                    true
                }
                None => false,
            }
        });
    }
    let finding = |(peer, lost): (&Peer, Lost)| {
        let service = lost.first.service();
        let service = service.and_then(|n| ids.services.iter().position(|id| *id == n));
        let service = service.map(|n| &policy.services[n]);
        Finding {
            why: peer.why,
            peer: peer.remote.ip(),
            local: lost.local,
            port: peer.local.port(),
            transport: peer.transport,
            count: peer.count,
            loses: lost.loses,
            reason: lost.first.outcome().reason().label().into(),
            service: service.map(|service| service.name.clone()),
            file: candidate.sources.first().map(|source| source.path.clone()),
            line: match service {
                Some(service) => Some(service.line),
                None => candidate.sources.first().and_then(unlisted_line),
            },
        }
    };
    Ok(lost.into_iter().map(finding).collect())
}

/// The line that says what becomes of ports that no service lists.
fn unlisted_line(config: &SourceFile) -> Option<u32> {
    let mut lines = config.text.lines();
    let at = lines.position(|line| line.trim_start().starts_with("unlisted_ports"))?;
    u32::try_from(at + 1).ok()
}

/// A policy with its tables.
struct View<'a> {
    policy: &'a Policy,
    generation: &'a Generation,
    ids: &'a Ids,
}

/// What a peer would lose.
struct Lost {
    loses: Loses,
    /// How the first such packet is judged, and where it goes.
    first: Decision,
    local: IpAddr,
}

impl View<'_> {
    /// What a peer would lose on any of the interfaces that it may come in by.
    fn loses(&self, peer: &Peer, host: &Host) -> Option<Lost> {
        let mut lost: Option<Lost> = None;
        let interfaces = self.policy.interfaces.iter().zip(&self.ids.interfaces);
        for (interface, slot) in interfaces {
            for local in host.locals(peer, &interface.name) {
                let peer = Peer {
                    local: SocketAddr::new(local, peer.local.port()),
                    ..peer.clone()
                };
                let asked = [
                    (
                        Loses::Established,
                        self.decide(&peer, u32::from(*slot), false),
                    ),
                    (
                        Loses::NewConnections,
                        self.decide(&peer, u32::from(*slot), true),
                    ),
                ];
                for (loses, decision) in asked {
                    let Some(decision) = decision.filter(|d| is_loss(d.outcome())) else {
                        continue;
                    };
                    match &mut lost {
                        Some(lost) => lost.loses = loses.and(lost.loses),
                        None => {
                            lost = Some(Lost {
                                loses,
                                first: decision,
                                local,
                            });
                        }
                    }
                }
            }
        }
        lost
    }

    /// How one packet of a peer is judged; `None` if it sends no such packet.
    fn decide(&self, peer: &Peer, slot: u32, is_new: bool) -> Option<Decision> {
        let frame = frames::frame(peer, is_new)?;
        let mut world = offline::Host::bare();
        world.interface = slot;
        if !is_new {
            let ends = ends(peer);
            match peer.transport {
                Transport::Tcp => world.tcp.push(ends),
                Transport::Udp => world.udp_connected.push(ends),
                Transport::Icmp => {}
            }
        }
        Some(world.decide(self.generation, &frame))
    }
}

/// A drop, whatever the reason; not what monitor mode spares.
const fn is_loss(outcome: Outcome) -> bool {
    outcome.drops()
}

fn ends(peer: &Peer) -> Ends {
    Ends {
        source: address(peer.remote.ip()),
        destination: address(peer.local.ip()),
        source_port: peer.remote.port().to_be(),
        port: peer.local.port().to_be(),
    }
}

fn address(address: IpAddr) -> Address {
    match address {
        IpAddr::V4(address) => Address::V4(address.to_bits()),
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            Address::V6 {
                upper: (bits >> 64) as u64,
                lower: bits as u64,
            }
        }
    }
}

#[cfg(test)]
mod tests;
