//! One device.

use super::{found, link, one};
use crate::config::policy::AttachMode;
use crate::doctor::facts::{Device, Facts};
use crate::doctor::{Check, Severity};
use crate::kernel::netdev::{Channels, Offloads, XdpFeatures};
use crate::kernel::netlink::{Link, XdpMode};

#[test]
fn native_mode_is_foretold() {
    use Severity::{Error, Warning};
    let device = |change: fn(&mut Device)| found("pass", |f| change(&mut f.devices[0]));
    let jumbo = |device: &mut Device| {
        device.link.mtu = 9000;
        device.xdp_features = Some(XdpFeatures {
            is_native: true,
            has_frags: false,
        });
    };
    assert_eq!(
        device(|d| d.link.mtu = 9000),
        [],
        "frames in several buffers"
    );
    one(
        &device(jumbo),
        Warning,
        Check::Native,
        "ip link set dev eth0 mtu 3506",
    );
    let none = device(|d| {
        d.xdp_features = Some(XdpFeatures {
            is_native: false,
            has_frags: false,
        })
    });
    one(&none, Warning, Check::Native, "attach_mode = \"generic\"");
    let insisted = found("pass", |f| {
        jumbo(&mut f.devices[0]);
        f.devices[0].mode = Some(AttachMode::Native);
    });
    one(&insisted, Error, Check::Native, "mtu 3506");
    let accepted = found("pass", |f| {
        jumbo(&mut f.devices[0]);
        f.devices[0].mode = Some(AttachMode::Generic);
    });
    assert_eq!(accepted, []);
    // Before Linux 6.3 the driver's name has to do.
    let old = |version, driver: &str| {
        found("pass", |f| {
            f.kernel.version = version;
            f.devices[0].xdp_features = None;
            f.devices[0].link.mtu = 9000;
            f.devices[0].driver = Some(driver.into());
        })
    };
    one(
        &old((6, 1), "virtio_net"),
        Warning,
        Check::Native,
        "mtu 3506",
    );
    assert_eq!(old((6, 1), "veth"), []);
    assert_eq!(old((6, 1), "of tomorrow"), []);
    let fell_back = found("pass", |f| {
        f.devices[0].is_ours = true;
        f.devices[0].link.xdp = Some((XdpMode::Generic, 7));
    });
    one(
        &fell_back,
        Warning,
        Check::Native,
        "edge-filter unload --device eth0",
    );
}

#[test]
fn devices_are_looked_at() {
    use Severity::{Error, Note, Warning};
    let device = |change: fn(&mut Device)| found("pass", |f| change(&mut f.devices[0]));
    one(
        &device(|d| d.link.is_loopback = true),
        Warning,
        Check::Device,
        "--force",
    );
    one(
        &device(|d| d.link.is_ethernet = false),
        Error,
        Check::Device,
        "ip -br link",
    );
    one(
        &device(|d| d.link.is_up = false),
        Note,
        Check::Device,
        "ip link set dev eth0 up",
    );
    let foreign = device(|d| d.link.xdp = Some((XdpMode::Generic, 7)));
    one(&foreign, Error, Check::ForeignXdp, "xdpgeneric off");
    one(
        &device(|d| d.driver = Some("ixgbe".into())),
        Note,
        Check::LinkReset,
        "",
    );
    let busy = device(|d| {
        d.driver = Some("ena".into());
        d.channels = Some(Channels { count: 8, max: 8 });
    });
    one(&busy, Warning, Check::Queues, "ethtool -L eth0 combined 4");
    let single = device(|d| d.channels = Some(Channels { count: 1, max: 8 }));
    one(&single, Note, Check::Queues, "ethtool -L eth0 combined 4");
    let joined = device(|d| {
        d.offloads = Some(Offloads {
            lro: true,
            vlan: false,
        })
    });
    one(&joined, Warning, Check::Lro, "ethtool -K eth0 lro off");
    let absent = found("pass", |f| f.absent.push("eth7".into()));
    one(&absent, Warning, Check::Device, "ip -br link");
    let tagged = found("pass", |f| {
        f.devices[0].offloads = Some(Offloads {
            lro: false,
            vlan: true,
        });
        f.links.push(Link {
            lower: Some(2),
            ..link(5, "eth0.7", "vlan")
        });
    });
    one(&tagged, Note, Check::VlanOffload, "rxvlan off");
}

#[test]
fn bonds_and_bridges_are_looked_at() {
    let below = |kind: &'static str| {
        move |f: &mut Facts| {
            f.links.push(link(9, "above", kind));
            f.devices[0].link.master = Some(9);
            f.links[0].master = Some(9);
            f.links.push(Link {
                master: Some(9),
                ..link(3, "eth1", "")
            });
        }
    };
    one(
        &found("pass", below("bridge")),
        Severity::Note,
        Check::Member,
        "unlisted_ports",
    );
    one(
        &found("pass", below("bond")),
        Severity::Warning,
        Check::Member,
        "name = \"above\"",
    );
    let itself = found("pass", |f| f.devices[0].link.kind = "bridge".into());
    one(&itself, Severity::Warning, Check::Member, "bridge link");
}
