//! All ways into the host.

use super::{found, link, one};
use crate::doctor::facts::{Facts, Nat, PublishedPort, proxy};
use crate::doctor::{Check, Finding, Severity};
use crate::kernel::netlink::Link;
use crate::kernel::sockets::BoundSocket;

/// As `/proc/PID/cmdline` has it.
fn command_line(words: &str) -> Vec<u8> {
    words.replace(' ', "\0").into_bytes()
}

#[test]
fn sockets_that_cannot_be_told_are_named_under_drop_only() {
    let bound = |f: &mut Facts| {
        f.links.push(Link {
            lower: Some(2),
            ..link(5, "eth0.7", "vlan")
        });
        f.bound.push(BoundSocket {
            device: 5,
            address: [0, 0, 0, 0].into(),
            port: 123,
            is_tcp: false,
        });
    };
    let unknown = |f: &mut Facts| f.bound_unknown = Some("no sock_diag".into());
    for ports in ["drop", "monitor"] {
        let warned = |facts: &[Finding], fix| {
            one(facts, Severity::Warning, Check::BoundSockets, fix);
        };
        warned(&found(ports, bound), "[\"123/udp\"]");
        warned(&found(ports, unknown), "modprobe --all inet_diag");
    }
    assert_eq!(found("pass", bound), []);
    assert_eq!(found("pass", unknown), []);
    // The program runs on a member of a bond that belongs to a bridge.
    let of_a_member = |socket: u32, is_member: bool| {
        move |f: &mut Facts| {
            f.links[0].master = is_member.then_some(6);
            f.links.push(Link {
                master: Some(7),
                ..link(6, "bond0", "bond")
            });
            f.links.push(link(7, "br0", "bridge"));
            f.bound.push(BoundSocket {
                device: socket,
                address: [0, 0, 0, 0].into(),
                port: 123,
                is_tcp: false,
            });
        }
    };
    for device in [6, 7] {
        one(
            &found("drop", of_a_member(device, true)),
            Severity::Warning,
            Check::BoundSockets,
            "[\"123/udp\"]",
        );
        assert_eq!(found("drop", of_a_member(device, false)), []);
    }
    assert_eq!(found("drop", of_a_member(2, true)), []);
    let in_vrf = |f: &mut Facts| {
        f.links.push(link(8, "red", "vrf"));
        f.devices[0].link.master = Some(8);
    };
    one(
        &found("drop", in_vrf),
        Severity::Warning,
        Check::BoundSockets,
        "unlisted_ports",
    );
    assert_eq!(found("pass", in_vrf), []);
}

#[test]
fn translation_and_published_ports_are_named() {
    let published = |port| PublishedPort {
        port,
        is_tcp: true,
        how: "nftables",
    };
    let with = |unlisted, port| found(unlisted, |f| _ = f.nat.published.insert(published(port)));
    one(
        &with("pass", 8080),
        Severity::Warning,
        Check::Containers,
        "ports = [\"8080/tcp\"]",
    );
    assert_eq!(with("pass", 443), [], "a service lists it");
    one(
        &with("drop", 8080),
        Severity::Error,
        Check::Forwarding,
        "unlisted_ports = \"pass\"",
    );
    one(
        &found("drop", |f| f.host.forwards = true),
        Severity::Error,
        Check::Forwarding,
        "\"pass\"",
    );
    one(
        &found("drop", |f| f.nat.masquerades = true),
        Severity::Error,
        Check::Forwarding,
        "\"pass\"",
    );
    assert_eq!(found("pass", |f| f.host.forwards = true), []);
}

#[test]
fn rules_of_others_are_read() {
    let nft = r#"table ip nat {
        chain DOCKER {
            iifname != "docker0" tcp dport 8080 counter packets 0 bytes 0 dnat to 172.17.0.2:80
            udp dport { 53, 5000-5002 } dnat to 10.0.0.2
            tcp dport 22 accept
        }
        chain POSTROUTING { ip saddr 172.17.0.0/16 masquerade }
    }"#;
    let found = Nat::in_rules(nft, "nftables");
    let ports =
        |nat: &Nat| -> Vec<_> { nat.published.iter().map(|p| (p.port, p.is_tcp)).collect() };
    let expected = [
        (53, false),
        (5000, false),
        (5001, false),
        (5002, false),
        (8080, true),
    ];
    assert_eq!(ports(&found), expected);
    assert!(found.masquerades);
    let iptables = "*nat\n-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8443 -j DNAT --to-destination 172.17.0.3:443\n";
    let found = Nat::in_rules(iptables, "iptables");
    assert_eq!(ports(&found), [(8443, true)]);
    assert!(!found.masquerades);
    let line = command_line(
        "/usr/bin/docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 8081 -container-ip 1.1.1.1",
    );
    let found = proxy(&line).expect("it publishes a port");
    assert_eq!((found.port, found.is_tcp), (8081, true));
    let local = command_line("docker-proxy -proto tcp -host-ip 127.0.0.1 -host-port 8081");
    assert_eq!(proxy(&local), None);
}

#[test]
fn ways_around_the_filter_are_named() {
    let with = |link: Link| {
        found("pass", |f| {
            f.addressed.insert(link.index);
            f.links.push(link);
        })
    };
    one(
        &with(link(5, "wg0", "wireguard")),
        Severity::Warning,
        Check::Uncovered,
        "iifname wg0",
    );
    let ppp = Link {
        is_ethernet: false,
        ..link(5, "ppp0", "")
    };
    one(
        &with(ppp),
        Severity::Warning,
        Check::Uncovered,
        "iifname ppp0",
    );
    one(
        &with(link(5, "eth1", "")),
        Severity::Note,
        Check::Uncovered,
        "name = \"eth1\"",
    );
    let child = Link {
        lower: Some(2),
        ..link(5, "eth0.7", "vlan")
    };
    for covered in [
        child,
        link(5, "docker0", "bridge"),
        Link {
            is_up: false,
            ..link(5, "wg0", "wireguard")
        },
    ] {
        assert_eq!(with(covered), []);
    }
}
