//! What a valid configuration means.

use filter_user::config::policy::*;
use filter_user::config::{HostFacts, Loaded, Summary, load, load_from, reference};
use std::io;
use std::path::{Path, PathBuf};

fn shipped(name: &str) -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../config")).join(name)
}

fn parse_with(text: &str, list: &str) -> Loaded {
    let read = |path: &Path| match path.to_str() {
        Some("dir/list.txt") => Ok(list.as_bytes().to_vec()),
        _ => Err(io::Error::from(io::ErrorKind::NotFound)),
    };
    let path = Path::new("dir/c.toml");
    match load_from(path, text.as_bytes(), &read, &HostFacts::default()) {
        Ok(loaded) => loaded,
        Err(errors) => panic!("refused:\n{errors}"),
    }
}

fn parse(text: &str) -> Policy {
    parse_with(text, "").policy
}

const MINIMAL: &str = "[[interface]]\nname = \"eth0\"\n";

#[test]
fn the_example_means_what_it_says() {
    let loaded = load(&shipped("example.toml"), &HostFacts::default()).expect("valid");
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.files().len(), 2);
    let ports = |first, last, transport| Ports {
        first,
        last,
        transport,
    };
    let list = |at| Sources {
        lists: vec![at],
        ..Sources::default()
    };
    let partners = "198.51.100.7/32".parse().unwrap();
    let policy = Policy {
        daemon: Daemon {
            metrics_listen: "127.0.0.1:9477".parse().unwrap(),
            status_page: StatusPage::Loopback,
            status_page_hosts: Vec::new(),
            pin_path: "/sys/fs/bpf/edge-filter".into(),
            state_directory: "/var/lib/edge-filter".into(),
            control_socket: "/run/edge-filter/control.sock".into(),
            log_format: LogFormat::Text,
            tracked_sources: 1_000_000,
            events_per_second: 100,
        },
        interfaces: ["eth0", "eth1"]
            .map(|name| Interface {
                name: name.into(),
                attach_mode: AttachMode::Auto,
            })
            .into(),
        mode: Mode::Enforce,
        unlisted_ports: Unlisted::Drop,
        protocols: vec![50, 112],
        reply_ports: vec![ports(123, 123, Transport::Udp)],
        management: Some(Management {
            ports: vec![ports(22, 22, Transport::Tcp)],
            from: Sources {
                lists: vec![0],
                ..Sources::default()
            },
        }),
        lists: vec![
            PrefixList {
                name: "office".into(),
                v4: vec!["203.0.113.0/24".parse().unwrap()],
                v6: vec!["2001:db8:10::/48".parse().unwrap()],
                file: None,
                max_shrink_percent: 50,
                line: 31,
            },
            PrefixList {
                name: "partners".into(),
                v4: vec![
                    "198.51.100.0/24".parse().unwrap(),
                    "192.0.2.17/32".parse().unwrap(),
                ],
                v6: vec!["2001:db8:20::/48".parse().unwrap()],
                file: Some(shipped("partners.txt")),
                max_shrink_percent: 50,
                line: 34,
            },
            PrefixList {
                name: "abusers".into(),
                v4: vec![],
                v6: vec![],
                file: None,
                max_shrink_percent: 50,
                line: 39,
            },
        ],
        services: vec![
            Service {
                name: "api".into(),
                ports: vec![
                    ports(443, 443, Transport::Tcp),
                    ports(443, 443, Transport::Quic),
                    ports(8000, 8099, Transport::Tcp),
                ],
                interfaces: Some(vec![0]),
                addresses: vec![
                    "192.0.2.80".parse().unwrap(),
                    "2001:db8::80".parse().unwrap(),
                ],
                mode: Mode::Enforce,
                allow: Sources {
                    lists: vec![0, 1],
                    v4: vec![partners],
                    v6: vec![],
                },
                deny: list(2),
                exempt: Sources {
                    v4: vec![partners],
                    ..Sources::default()
                },
                log_connections: true,
                rate_limit: Some(RateLimit {
                    connections: Some(Rate {
                        per_second: 20.0,
                        burst: 40.0,
                    }),
                    packets: Some(Rate {
                        per_second: 50_000.0,
                        burst: 100_000.0,
                    }),
                    source_prefix_ipv4: 32,
                    source_prefix_ipv6: 64,
                    overrides: vec![Override {
                        sources: list(1),
                        connections: Some(Rate {
                            per_second: 200.0,
                            burst: 400.0,
                        }),
                        packets: None,
                    }],
                }),
                line: 43,
            },
            Service {
                name: "dns".into(),
                ports: vec![ports(53, 53, Transport::Udp), ports(53, 53, Transport::Tcp)],
                interfaces: None,
                addresses: vec![],
                mode: Mode::Enforce,
                allow: Sources {
                    lists: vec![],
                    v4: vec!["0.0.0.0/0".parse().unwrap()],
                    v6: vec!["::/0".parse().unwrap()],
                },
                deny: Sources::default(),
                exempt: Sources::default(),
                log_connections: false,
                rate_limit: Some(RateLimit {
                    connections: Some(Rate {
                        per_second: 0.2,
                        burst: 1.0,
                    }),
                    packets: Some(Rate {
                        per_second: 100.0,
                        burst: 100.0,
                    }),
                    source_prefix_ipv4: 32,
                    source_prefix_ipv6: 64,
                    overrides: vec![],
                }),
                line: 67,
            },
        ],
    };
    assert_eq!(loaded.policy, policy);
}

#[test]
fn the_summary_says_what_is_enforced() {
    let loaded = load(&shipped("example.toml"), &HostFacts::default()).expect("valid");
    let mut policy = loaded.policy;
    policy.lists[1]
        .v4
        .push("198.51.100.128/25".parse().unwrap());
    let expected = "\
interfaces      eth0, eth1
mode            enforce
unlisted ports  drop
list office: IPv4 prefixes 1, IPv6 prefixes 1
list partners: IPv4 prefixes 3 (2 aggregated), IPv6 prefixes 1
list abusers: IPv4 prefixes 0, IPv6 prefixes 0
service api: 443/tcp 443/quic 8000-8099/tcp, enforce
  allow office, partners, 198.51.100.7/32
  connections 20/s, burst 40, effective 20.0000/s
  packets 50000/s, burst 100000, effective 50000.0/s
  connections 200/s, burst 400, effective 200.000/s, for partners
service dns: 53/udp 53/tcp, enforce
  allow 0.0.0.0/0, ::/0
  connections 0.2/s, burst 1, effective 0.200000/s
  packets 100/s, burst 100, effective 100.000/s
";
    let summary = Summary::new(&policy);
    assert_eq!(summary.to_string(), expected);
    let json = serde_json::to_value(&summary).expect("JSON");
    assert_eq!(json["lists"][1]["ipv4_aggregated"], 2);
    assert_eq!(json["services"][0]["rates"][2]["sources"][0], "partners");
}

#[test]
fn under_a_policy_that_monitors_no_service_is_said_to_enforce() {
    let loaded = load(&shipped("example.toml"), &HostFacts::default()).expect("valid");
    let mut policy = loaded.policy;
    policy.mode = Mode::Monitor;
    let summary = Summary::new(&policy);
    assert!(
        summary
            .services
            .iter()
            .all(|service| service.mode == "monitor")
    );
}

#[test]
fn documented_defaults_are_the_defaults() {
    let mut text = String::new();
    for (header, table) in [
        ("[daemon]", "`[daemon]`"),
        ("[[interface]]\nname = \"eth0\"", "`[[interface]]`"),
        ("[policy]", "`[policy]`"),
        (
            "[prefix_list.l]\nprefixes = [\"10.0.0.0/8\"]",
            "`[prefix_list.NAME]`",
        ),
        (
            "[[service]]\nname = \"s\"\nports = [\"1/tcp\"]\nallow = [\"any\"]",
            "`[[service]]`",
        ),
        (
            "[service.rate_limit]\nconnections_per_second = 2",
            "`[service.rate_limit]`",
        ),
    ] {
        text.push_str(&format!("{header}\n"));
        let reference = reference();
        let (_, section) = reference.split_once(&format!("## {table}\n")).expect(table);
        let section = section.split("\n## ").next().unwrap();
        for row in section.lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<&str> = row.split(" | ").collect();
            if let Some(default) = cells[2].strip_prefix('`') {
                let key = cells[0].trim_start_matches("| ").trim_matches('`');
                text.push_str(&format!("{key} = {}\n", default.trim_end_matches('`')));
            }
        }
    }
    let bare = "[[interface]]\nname = \"eth0\"\n[prefix_list.l]\nprefixes = [\"10.0.0.0/8\"]\n\
                [[service]]\nname = \"s\"\nports = [\"1/tcp\"]\nallow = [\"any\"]\n\
                [service.rate_limit]\nconnections_per_second = 2\n";
    let (mut spelled_out, mut bare) = (parse(&text), parse(bare));
    for policy in [&mut spelled_out, &mut bare] {
        policy.lists[0].line = 0;
        policy.services[0].line = 0;
    }
    assert_eq!(spelled_out, bare);
}

#[test]
fn a_list_is_what_stands_in_place_and_in_its_file() {
    let text =
        format!("{MINIMAL}[prefix_list.l]\nprefixes = [\"10.0.0.0/8\"]\nfile = \"list.txt\"\n");
    let file = "192.0.2.1 # one\r\n\r\n2001:db8::/32\r\n";
    let loaded = parse_with(&text, file);
    let list = &loaded.policy.lists[0];
    assert_eq!(
        list.v4,
        [
            "10.0.0.0/8".parse().unwrap(),
            "192.0.2.1/32".parse().unwrap()
        ]
    );
    assert_eq!(list.v6, ["2001:db8::/32".parse().unwrap()]);
    assert_eq!(list.file.as_deref(), Some(Path::new("dir/list.txt")));

    // What was kept is enough to load the same again.
    let kept = loaded.sources;
    let read = |path: &Path| {
        let file = kept.iter().find(|f| f.path == path).expect("kept");
        Ok(file.text.clone().into_bytes())
    };
    let again = load_from(
        &kept[0].path,
        kept[0].text.as_bytes(),
        &read,
        &HostFacts::default(),
    );
    assert_eq!(again.expect("valid").policy, loaded.policy);
}

#[test]
fn services_may_share_a_port_on_distinct_interfaces_or_addresses() {
    let service = |name: &str, where_: &str| {
        format!(
            "[[service]]\nname = \"{name}\"\nports = [\"443/tcp\"]\nallow = [\"any\"]\n{where_}\n"
        )
    };
    let two = format!("{MINIMAL}[[interface]]\nname = \"eth1\"\n");
    parse(&format!(
        "{two}{}{}",
        service("a", "interfaces = [\"eth0\"]"),
        service("b", "interfaces = [\"eth1\"]")
    ));
    parse(&format!(
        "{two}{}{}",
        service("a", "addresses = [\"192.0.2.1\"]"),
        service("b", "addresses = [\"192.0.2.2\"]")
    ));
}

#[test]
fn rates_at_their_bounds_are_accepted() {
    for (rate, burst) in [
        ("10000", "100"),
        ("0.00013888888888888889", "2"),
        ("700", "7"),
    ] {
        let policy = parse(&format!(
            "{MINIMAL}[[service]]\nname = \"s\"\nports = [\"1/tcp\"]\nallow = [\"any\"]\n\
             [service.rate_limit]\nconnections_per_second = {rate}\nburst = {burst}\n\
             packets_per_second = 10_000_000\npacket_burst = 1e5\n"
        ));
        let limit = policy.services[0].rate_limit.as_ref().unwrap();
        assert_eq!(
            limit.connections.unwrap().per_second,
            rate.parse::<f64>().unwrap()
        );
        assert_eq!(
            limit.packets,
            Some(Rate {
                per_second: 1e7,
                burst: 1e5
            })
        );
    }
}

#[test]
fn lists_beyond_capacity_are_named_with_their_sizes() {
    let mut file = String::new();
    for i in 0..1_000_000_u32 {
        file.push_str(&format!("{}\n", std::net::Ipv4Addr::from(i * 256)));
    }
    let list = "[prefix_list.partners]\nfile = \"list.txt\"\n";
    let at_capacity = parse_with(&format!("{MINIMAL}{list}"), &file);
    assert_eq!(at_capacity.policy.lists[0].v4.len(), 1_000_000);

    let text = format!("{MINIMAL}[prefix_list.office]\nprefixes = [\"10.0.0.0/8\"]\n{list}");
    let read = |_: &Path| Ok(file.clone().into_bytes());
    let errors = load_from(
        Path::new("c.toml"),
        text.as_bytes(),
        &read,
        &HostFacts::default(),
    );
    let errors = errors.expect_err("beyond capacity").diagnostics;
    assert_eq!(errors.len(), 1);
    assert_eq!(
        errors[0].message,
        "1000001 IPv4 prefixes, the tables hold 1000000"
    );
    assert_eq!(
        errors[0].help.as_deref(),
        Some("partners 1000000, office 1")
    );
    assert_eq!(errors[0].place.as_ref().unwrap().line, 5);
}

#[test]
fn the_reference_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/config.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, reference()).expect("docs/config.md");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == reference(),
        "docs/config.md is out of date: UPDATE_DOCS=1 cargo test -p filter-user --test config_policy"
    );
}
