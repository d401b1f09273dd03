//! All ways into the host together: devices that are missing or not covered, sockets whose replies
//! cannot be told, ports that containers publish.

use super::facts::{Facts, PublishedPort};
use super::{Check, Finding};
use crate::config::policy::{AttachMode, Transport, Unlisted};
use crate::kernel::netlink::{Link, XdpMode};
use crate::kernel::sockets::BoundSocket;
use std::collections::BTreeMap;

/// Devices whose packets come in by another device, wrapped: that one judges the wrapping only.
const TUNNELS: [&str; 19] = [
    "bareudp",
    "erspan",
    "geneve",
    "gre",
    "gretap",
    "gtp",
    "ip6erspan",
    "ip6gre",
    "ip6gretap",
    "ip6tnl",
    "ipip",
    "ovpn",
    "sit",
    "tun",
    "vti",
    "vti6",
    "vxlan",
    "wireguard",
    "xfrm",
];
/// Devices on top of another one, which judges their packets as well.
const ON_TOP: [&str; 5] = ["vlan", "macvlan", "macvtap", "ipvlan", "ipvtap"];

pub(super) fn examine(facts: &Facts, findings: &mut Vec<Finding>) {
    for name in &facts.absent {
        let message = "there is no such device now; it is attached to as soon as it appears";
        let fix = "ip -br link";
        findings.push(Finding::warning(Check::Device, message).on(name).fix(fix));
    }
    bound_sockets(facts, findings);
    vrfs(facts, findings);
    containers(facts, findings);
    uncovered(facts, findings);
}

fn asks_for_sockets(facts: &Facts) -> bool {
    facts
        .policy
        .as_ref()
        .is_some_and(|p| p.unlisted_ports != Unlisted::Pass)
}

/// The packet program looks sockets up as the device that it runs on would.
fn bound_sockets(facts: &Facts, findings: &mut Vec<Finding>) {
    if !asks_for_sockets(facts) {
        return;
    }
    if let Some(error) = &facts.bound_unknown {
        let message = format!("which sockets are bound to a device cannot be told: {error}");
        let fix = "modprobe --all inet_diag tcp_diag udp_diag";
        findings.push(Finding::warning(Check::BoundSockets, message).fix(fix));
    }
    let mut by_device: BTreeMap<&str, Vec<&BoundSocket>> = BTreeMap::new();
    for socket in &facts.bound {
        let link = facts.links.iter().find(|link| link.index == socket.device);
        if let Some(link) = link.filter(|link| is_looked_up_as_another(link, facts)) {
            by_device.entry(&link.name).or_default().push(socket);
        }
    }
    for (device, sockets) in by_device {
        let sockets: Vec<_> = sockets
            .iter()
            .map(|socket| {
                format!(
                    "{}/{}",
                    socket.port,
                    if socket.is_tcp { "tcp" } else { "udp" }
                )
            })
            .collect();
        let list = sockets.join(", ");
        let message =
            format!("sockets are bound to it, on port {list}: replies to them are not recognised");
        let quoted: Vec<_> = sockets.iter().map(|port| format!("\"{port}\"")).collect();
        let fix = format!(
            "reply_ports = [{}]   # [policy], or unlisted_ports = \"pass\"",
            quoted.join(", ")
        );
        findings.push(
            Finding::warning(Check::BoundSockets, message)
                .on(device)
                .fix(fix),
        );
    }
}

/// Whether the packet program looks for this device's sockets as those of another: the one that it
/// runs on.
fn is_looked_up_as_another(link: &Link, facts: &Facts) -> bool {
    match link.kind.as_str() {
        "vrf" => true,
        // In native mode a bond's program runs on its members.
        "bond" => is_configured_natively(link, facts) || is_above_a_configured(link, facts),
        "team" | "bridge" => is_above_a_configured(link, facts),
        kind => ON_TOP.contains(&kind) && is_covered(link, facts),
    }
}

fn is_configured_natively(link: &Link, facts: &Facts) -> bool {
    let mut interfaces = facts.policy.iter().flat_map(|policy| &policy.interfaces);
    let is_generic = matches!(link.xdp, Some((XdpMode::Generic, _)));
    let asked = interfaces.find(|interface| interface.name == link.name);
    asked.is_some_and(|asked| asked.attach_mode != AttachMode::Generic && !is_generic)
}

/// Whether a configured device belongs to this one, or to what belongs to it.
fn is_above_a_configured(link: &Link, facts: &Facts) -> bool {
    let master = |of: &Link| facts.links.iter().find(|l| Some(l.index) == of.master);
    let configured = facts.links.iter().filter(|l| facts.is_configured(&l.name));
    // Sixteen devices on top of each other are no real host.
    let above = |of| std::iter::successors(master(of), |l| master(l)).take(16);
    configured
        .flat_map(above)
        .any(|above| above.index == link.index)
}

fn vrfs(facts: &Facts, findings: &mut Vec<Finding>) {
    if !asks_for_sockets(facts) {
        return;
    }
    for device in &facts.devices {
        let master = facts
            .links
            .iter()
            .find(|l| Some(l.index) == device.link.master);
        if let Some(vrf) = master.filter(|master| master.kind == "vrf") {
            let message = format!(
                "in VRF {}: replies to the VRF's sockets may not be recognised",
                vrf.name
            );
            let fix = "unlisted_ports = \"pass\"   # [policy], or reply_ports for what is asked";
            let finding = Finding::warning(Check::BoundSockets, message);
            findings.push(finding.on(&device.link.name).fix(fix));
        }
    }
}

/// Translated after XDP: the filter sees the published port, and can list it.
fn containers(facts: &Facts, findings: &mut Vec<Finding>) {
    let Some(policy) = &facts.policy else { return };
    if policy.unlisted_ports == Unlisted::Drop {
        return;
    }
    let is_listed = |published: &PublishedPort| {
        policy
            .services
            .iter()
            .flat_map(|service| &service.ports)
            .any(|ports| {
                let is_tcp = ports.transport == Transport::Tcp;
                is_tcp == published.is_tcp && (ports.first..=ports.last).contains(&published.port)
            })
    };
    for published in facts.nat.published.iter().filter(|p| !is_listed(p)) {
        let (port, name) = (published.port, if published.is_tcp { "tcp" } else { "udp" });
        let message = format!(
            "port {port}/{name} is published for a container ({}) and no service lists it: it is \
             open to everybody",
            published.how
        );
        let fix = format!(
            "[[service]]\nname = \"container-{port}\"\nports = [\"{port}/{name}\"]\nallow = [\"…\"]"
        );
        findings.push(Finding::warning(Check::Containers, message).fix(fix));
    }
}

fn uncovered(facts: &Facts, findings: &mut Vec<Finding>) {
    if facts.policy.is_none() {
        return;
    }
    for link in &facts.links {
        let is_silent = !link.is_up || link.is_loopback || link.is_dummy || link.kind == "vrf";
        if is_silent || is_covered(link, facts) {
            continue;
        }
        let is_tunnel = !link.is_ethernet || TUNNELS.contains(&link.kind.as_str());
        let has_address = facts.addressed.contains(&link.index);
        if is_tunnel {
            let message = format!(
                "a {} device is up: what comes in through it is not filtered",
                if link.kind.is_empty() {
                    "non-Ethernet"
                } else {
                    &link.kind
                }
            );
            let fix = format!(
                "filter it where it can be, for example: nft add rule inet filter input iifname \
                 {} tcp dport 443 drop",
                link.name
            );
            findings.push(
                Finding::warning(Check::Uncovered, message)
                    .on(&link.name)
                    .fix(fix),
            );
        } else if has_address && link.kind != "bridge" {
            let message = "it is up and has an address, but no [[interface]]: it is not filtered";
            let fix = format!("[[interface]]\nname = \"{}\"", link.name);
            findings.push(
                Finding::note(Check::Uncovered, message)
                    .on(&link.name)
                    .fix(fix),
            );
        }
    }
}

/// Whether a configured device judges what comes in by this one.
fn is_covered(link: &Link, facts: &Facts) -> bool {
    // Sixteen devices on top of each other are no real host.
    let mut current = link;
    for _ in 0..16 {
        if facts.is_configured(&current.name) {
            return true;
        }
        let by_index = |index: Option<u32>| facts.links.iter().find(|l| Some(l.index) == index);
        let members = || {
            facts
                .links
                .iter()
                .filter(|l| l.master == Some(current.index))
        };
        if matches!(current.kind.as_str(), "bond" | "team" | "bridge") {
            return members().any(|member| facts.is_configured(&member.name));
        }
        let below = by_index(current.lower).filter(|_| ON_TOP.contains(&current.kind.as_str()));
        match below.or_else(|| by_index(current.master).filter(|m| m.kind != "vrf")) {
            Some(next) => current = next,
            None => return false,
        }
    }
    false
}
