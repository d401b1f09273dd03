//! One device: whether it can be attached to, in which mode, and what its settings do to that.

use super::facts::{Device, Facts};
use super::{Check, Finding};
use crate::config::policy::AttachMode;
use crate::kernel::netlink::XdpMode;

/// A driver's native mode: since which Linux, with frames in several buffers since which, and up
/// to which MTU without. Kernel documentation and sources; where the kernel itself says what its
/// driver can do (6.3 and later), only the MTU is taken from here.
struct Driver {
    name: &'static str,
    native_since: (u32, u32),
    frags_since: Option<(u32, u32)>,
    largest_mtu: u32,
}

const DRIVERS: [Driver; 8] = [
    Driver {
        name: "virtio_net",
        native_since: (4, 10),
        frags_since: Some((6, 3)),
        largest_mtu: 3506,
    },
    Driver {
        name: "veth",
        native_since: (4, 19),
        frags_since: Some((5, 18)),
        largest_mtu: 3520,
    },
    Driver {
        name: "mlx5_core",
        native_since: (4, 9),
        frags_since: Some((5, 18)),
        largest_mtu: 3498,
    },
    Driver {
        name: "i40e",
        native_since: (4, 13),
        frags_since: Some((6, 4)),
        largest_mtu: 3046,
    },
    Driver {
        name: "ice",
        native_since: (5, 5),
        frags_since: Some((6, 3)),
        largest_mtu: 3046,
    },
    Driver {
        name: "ixgbe",
        native_since: (4, 12),
        frags_since: None,
        largest_mtu: 3050,
    },
    Driver {
        name: "ena",
        native_since: (5, 6),
        frags_since: None,
        largest_mtu: ENA_LARGEST_MTU,
    },
    Driver {
        name: "bnxt_en",
        native_since: (4, 11),
        frags_since: Some((5, 19)),
        largest_mtu: 3498,
    },
];
const ENA_LARGEST_MTU: u32 = 3498;
/// Of any driver: a page, less the headroom and the kernel's own trailer, fits this much.
const SAFE_MTU: u32 = 3046;
/// Drivers that set up their rings anew for XDP, the link going down meanwhile.
const RESETTING: [&str; 8] = [
    "ixgbe", "i40e", "ice", "igb", "igc", "mlx4_en", "bnxt_en", "qede",
];

pub(super) fn examine(device: &Device, facts: &Facts, findings: &mut Vec<Finding>) {
    let mut found = Vec::new();
    if !fits(device, &mut found) {
        findings.extend(
            found
                .into_iter()
                .map(|finding: Finding| finding.on(&device.link.name)),
        );
        return;
    }
    native(device, facts, &mut found);
    foreign_program(device, &mut found);
    queues(device, facts, &mut found);
    offloads(device, facts, &mut found);
    member(device, facts, &mut found);
    findings.extend(
        found
            .into_iter()
            .map(|finding| finding.on(&device.link.name)),
    );
}

/// Whether it can be attached to at all.
fn fits(device: &Device, findings: &mut Vec<Finding>) -> bool {
    let link = &device.link;
    if link.is_loopback {
        let message = "the loopback interface is attached to with --force only";
        let fix = "edge-filter run --force";
        findings.push(Finding::warning(Check::Device, message).fix(fix));
        return true;
    }
    if !link.is_ethernet {
        let message = "not an Ethernet device: XDP would misread its frames";
        let fix = "name the Ethernet device that carries it: ip -br link";
        findings.push(Finding::error(Check::Device, message).fix(fix));
        return false;
    }
    if !link.is_up {
        let fix = format!("ip link set dev {} up", link.name);
        findings.push(Finding::note(Check::Device, "it is down").fix(fix));
    }
    true
}

/// Why native mode will not be had, or is not.
fn native(device: &Device, facts: &Facts, findings: &mut Vec<Finding>) {
    let name = &device.link.name;
    let wanted = device.mode.unwrap_or(AttachMode::Auto);
    if wanted == AttachMode::Generic || device.link.is_loopback {
        return;
    }
    let is_generic = matches!(device.link.xdp, Some((XdpMode::Generic, _)));
    if device.is_ours && !is_generic {
        return;
    }
    let driver = device.driver.as_deref().unwrap_or("its driver");
    let fixed = |fix: String| {
        let again =
            format!("{fix}\nedge-filter unload --device {name}; systemctl restart edge-filter");
        if device.is_ours { again } else { fix }
    };
    let (message, fix) = match reason(device, facts) {
        Some(Reason::NoNative) => (
            format!("{driver} has no native XDP"),
            format!("attach_mode = \"generic\"   # [[interface]] {name}: known and accepted"),
        ),
        Some(Reason::Mtu(largest)) => (
            format!(
                "MTU {} is more than {driver} takes in native mode, which is {largest}",
                device.link.mtu
            ),
            fixed(format!("ip link set dev {name} mtu {largest}")),
        ),
        None if device.is_ours => (
            "it runs in generic mode although its driver could do better".to_owned(),
            format!("edge-filter unload --device {name}; systemctl restart edge-filter"),
        ),
        None => return,
    };
    let finding = match wanted {
        AttachMode::Native => {
            let message = format!("{message}: with attach_mode = \"native\" it is not attached to");
            Finding::error(Check::Native, message)
        }
        _ => Finding::warning(Check::Native, format!("{message}: generic mode it will be")),
    };
    findings.push(finding.fix(fix));
}

enum Reason {
    NoNative,
    Mtu(u32),
}

fn reason(device: &Device, facts: &Facts) -> Option<Reason> {
    let driver = device.driver.as_deref();
    let known = DRIVERS.iter().find(|known| Some(known.name) == driver);
    let (is_native, has_frags) = match (device.xdp_features, known) {
        (Some(features), _) => (features.is_native, features.has_frags),
        // Before Linux 6.3 nobody says.
        (None, Some(known)) => (
            facts.kernel.version >= known.native_since,
            known
                .frags_since
                .is_some_and(|since| facts.kernel.version >= since),
        ),
        (None, None) => return None,
    };
    let largest = known.map_or(SAFE_MTU, |known| known.largest_mtu);
    if !is_native {
        Some(Reason::NoNative)
    } else if !has_frags && device.link.mtu > largest {
        Some(Reason::Mtu(largest))
    } else {
        None
    }
}

fn foreign_program(device: &Device, findings: &mut Vec<Finding>) {
    let Some((mode, id)) = device.link.xdp.filter(|_| !device.is_ours) else {
        let resets = device
            .driver
            .as_deref()
            .is_some_and(|d| RESETTING.contains(&d));
        if resets && !device.is_ours {
            let message = "attaching sets its rings up anew: the link may be down for up to 20 s";
            let fix = "start the filter in a quiet hour, not for the first time under load";
            findings.push(Finding::note(Check::LinkReset, message).fix(fix));
        }
        return;
    };
    let name = &device.link.name;
    let message = format!(
        "another XDP program is attached: id {id}, {} mode",
        mode.label()
    );
    let word = match mode {
        XdpMode::Generic => "xdpgeneric",
        XdpMode::Native | XdpMode::Other => "xdp",
    };
    let fix = format!(
        "bpftool prog show id {id}   # whose it is: end that first\n\
         ip link set dev {name} {word} off"
    );
    findings.push(Finding::error(Check::ForeignXdp, message).fix(fix));
}

fn queues(device: &Device, facts: &Facts, findings: &mut Vec<Finding>) {
    let Some(channels) = device.channels else {
        return;
    };
    let name = &device.link.name;
    if device.driver.as_deref() == Some("ena")
        && channels.count > channels.max / 2
        && !device.is_ours
    {
        let half = (channels.max / 2).max(1);
        let message = format!(
            "{} of {} queues are in use: ena needs half of them for native XDP",
            channels.count, channels.max
        );
        let fix = format!("ethtool -L {name} combined {half}");
        findings.push(Finding::warning(Check::Queues, message).fix(fix));
    }
    let possible = channels.max.min(facts.host.cpus);
    if device.is_hardware && channels.count == 1 && possible > 1 {
        let message = format!(
            "one receive queue, of {}: one CPU carries everything",
            channels.max
        );
        let fix = format!("ethtool -L {name} combined {possible}");
        findings.push(Finding::note(Check::Queues, message).fix(fix));
    }
}

fn offloads(device: &Device, facts: &Facts, findings: &mut Vec<Finding>) {
    let Some(offloads) = device.offloads else {
        return;
    };
    let name = &device.link.name;
    if offloads.lro {
        let message = "large receive offload is on: native XDP is refused, or sees joined segments";
        let fix = format!("ethtool -K {name} lro off");
        findings.push(Finding::warning(Check::Lro, message).fix(fix));
    }
    let has_vlans = facts
        .links
        .iter()
        .any(|l| l.lower == Some(device.link.index) && l.kind == "vlan");
    if offloads.vlan && has_vlans && device.is_hardware {
        let message = "the device takes VLAN tags off before the filter sees them; its verdicts \
                       are the same";
        let fix = format!("ethtool -K {name} rxvlan off   # only if you want to see the tags");
        findings.push(Finding::note(Check::VlanOffload, message).fix(fix));
    }
}

fn member(device: &Device, facts: &Facts, findings: &mut Vec<Finding>) {
    let link = &device.link;
    if link.kind == "bridge" {
        let message = "a bridge: only frames for the host itself are judged, and in generic mode";
        let fix = "name the bridge's outer port as the interface: bridge link";
        findings.push(Finding::warning(Check::Member, message).fix(fix));
    }
    let Some(master) = link
        .master
        .and_then(|index| facts.links.iter().find(|l| l.index == index))
    else {
        return;
    };
    let above = &master.name;
    match master.kind.as_str() {
        "bridge" => {
            let message =
                format!("a port of bridge {above}: frames for its other ports are judged too");
            let fix =
                "unlisted_ports = \"pass\"   # [policy]: what is for guests must not be dropped";
            findings.push(Finding::note(Check::Member, message).fix(fix));
        }
        "bond" | "team" => {
            let covered = |l: &&crate::kernel::netlink::Link| facts.is_configured(&l.name);
            let members = facts
                .links
                .iter()
                .filter(|l| l.master == Some(master.index));
            let open: Vec<_> = members
                .filter(|l| !covered(l))
                .map(|l| l.name.as_str())
                .collect();
            if !open.is_empty() && device.mode.is_some() {
                let message = format!(
                    "a member of {above}, whose other members are not configured: {}",
                    open.join(", ")
                );
                let fix = format!("[[interface]]\nname = \"{above}\"   # or every member");
                findings.push(Finding::warning(Check::Member, message).fix(fix));
            }
        }
        _ => {}
    }
}
