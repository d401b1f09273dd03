//! The guard against policies, without a host.

use super::*;
use crate::config::{HostFacts, load_from};
use std::path::Path;

fn loaded(text: &str) -> Loaded {
    let text = format!("[[interface]]\nname = \"eth0\"\n[[interface]]\nname = \"eth1\"\n{text}");
    let read = |_: &Path| Err(std::io::Error::other("no lists"));
    load_from(
        Path::new("/c.toml"),
        text.as_bytes(),
        &read,
        &HostFacts::default(),
    )
    .unwrap()
}

fn client(remote: &str, local: &str) -> Peer {
    Peer {
        why: Why::Client,
        remote: remote.parse().unwrap(),
        local: local.parse().unwrap(),
        transport: Transport::Tcp,
        opens: true,
        count: 3,
    }
}

fn host(peers: Vec<Peer>) -> Host {
    let by = |name: &str| Coverage::By(vec![name.into()]);
    let addresses = [("192.0.2.2", by("eth0")), ("2001:db8::2", by("eth1"))];
    let addresses = addresses.map(|(address, by)| (address.parse().unwrap(), by));
    Host {
        peers,
        addresses: addresses.into(),
    }
}

fn findings(candidate: &str, current: Option<&str>, peers: Vec<Peer>) -> Vec<String> {
    let candidate = loaded(candidate);
    let ids = Ids {
        services: (0..candidate.policy.services.len() as u8).rev().collect(),
        interfaces: vec![3, 4],
    };
    let generation = compile(&candidate.policy, &ids).unwrap();
    let current = current.map(|text| loaded(text).policy);
    let found = ask(
        &candidate,
        &generation,
        &ids,
        current.as_ref(),
        &host(peers),
    )
    .unwrap();
    found.iter().map(ToString::to_string).collect()
}

const OFFICE: &str =
    "[[service]]\nname = \"ssh\"\nports = [\"22/tcp\"]\nallow = [\"192.0.2.0/24\"]\n";
const ELSEWHERE: &str = "[[service]]\nname = \"x\"\nports = [\"1/tcp\"]\nallow = [\"any\"]\n\
     [[service]]\nname = \"ssh\"\nports = [\"22/tcp\"]\nallow = [\"198.51.100.0/24\"]\n";

#[test]
fn a_client_that_is_still_allowed_loses_nothing() {
    let peer = client("192.0.2.1:5000", "192.0.2.2:22");
    assert!(findings(OFFICE, None, vec![peer]).is_empty());
}

#[test]
fn a_client_that_a_list_leaves_out_loses_both_with_the_services_line() {
    let peer = client("192.0.2.1:5000", "192.0.2.2:22");
    assert_eq!(
        findings(ELSEWHERE, Some(OFFICE), vec![peer]),
        [
            "the client 192.0.2.1 would lose 3 connections, and new ones to 192.0.2.2 port \
             22/tcp: not_allowed, service \"ssh\" (/c.toml:9)"
        ]
    );
}

#[test]
fn what_the_policy_in_force_drops_already_is_not_lost() {
    let peer = client("192.0.2.1:5000", "192.0.2.2:22");
    assert!(findings(ELSEWHERE, Some(ELSEWHERE), vec![peer]).is_empty());
}

#[test]
fn under_drop_a_connection_without_a_service_loses_new_ones() {
    let drop = "[policy]\nunlisted_ports = \"drop\"\nmanagement = \"none\"\n";
    let peer = client("192.0.2.1:5000", "192.0.2.2:22");
    assert_eq!(
        findings(drop, None, vec![peer]),
        [
            "the client 192.0.2.1 would lose new connections to 192.0.2.2 port 22/tcp: \
             unlisted_port (/c.toml:6)"
        ]
    );
}

#[test]
fn an_operator_behind_management_keeps_everything() {
    let drop = "[policy]\nunlisted_ports = \"drop\"\n[policy.management]\nports = [\"22/tcp\"]\n\
                from = [\"192.0.2.0/24\"]\n";
    let peer = ssh_peer("192.0.2.1 5000 192.0.2.2 22").unwrap();
    assert!(findings(drop, None, vec![peer.clone()]).is_empty());
    let drop = drop.replace("192.0.2.0/24", "198.51.100.0/24");
    assert_eq!(
        findings(&drop, None, vec![peer]),
        [
            "your own SSH peer 192.0.2.1 would lose new connections to 192.0.2.2 port 22/tcp: \
             unlisted_port (/c.toml:6)"
        ]
    );
}

#[test]
fn a_resolver_is_lost_to_a_service_on_the_hosts_own_ports() {
    let resolver = Peer {
        why: Why::Resolver,
        remote: "198.51.100.53:53".parse().unwrap(),
        local: "0.0.0.0:40000".parse().unwrap(),
        transport: Transport::Udp,
        opens: false,
        count: 1,
    };
    let drop = "[policy]\nunlisted_ports = \"drop\"\nmanagement = \"none\"\n";
    assert!(findings(drop, None, vec![resolver.clone()]).is_empty());
    let game = format!(
        "{drop}[[service]]\nname = \"game\"\nports = [\"40000/udp\"]\nallow = [\"192.0.2.0/24\"]\n"
    );
    assert_eq!(
        findings(&game, None, vec![resolver]),
        [
            "the resolver 198.51.100.53 would lose its connection to 192.0.2.2 port 40000/udp: \
             not_allowed, service \"game\" (/c.toml:8)"
        ]
    );
}

#[test]
fn a_client_on_an_interface_that_the_service_is_not_for_is_asked_about_there() {
    let limited = OFFICE.replace("allow", "interfaces = [\"eth1\"]\nallow");
    let peer = client("192.0.2.1:5000", "192.0.2.2:22");
    assert!(findings(&limited, None, vec![peer]).is_empty());
    let peer = client("[2001:db8::1]:5000", "[2001:db8::2]:22");
    assert_eq!(findings(&limited, None, vec![peer]).len(), 1);
}

#[test]
fn a_policy_that_only_watches_takes_nothing_away() {
    let monitor = format!("[policy]\nmode = \"monitor\"\n{ELSEWHERE}");
    let peer = client("192.0.2.1:5000", "192.0.2.2:22");
    assert!(findings(&monitor, None, vec![peer]).is_empty());
}
