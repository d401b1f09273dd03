//! Explanations as people read them, of an answer that the offline path gave: one for each way
//! to a verdict. After a change on purpose: `INSTA_UPDATE=always`.

use filter_common::addr::{Scope, SourceKey};
use filter_common::state::{ALLOWS, BANS_V4, BANS_V6_64, of_scope};
use filter_user::compile::{Generation, Ids, compile};
use filter_user::config::{HostFacts, Loaded, load_from};
use filter_user::explain::{Answerer, Explanation, Facts, Flags, Question, frame};
use filter_user::offline::Host;
use std::fmt::Write as _;
use std::path::Path;

const CONFIG: &str = r#"[[interface]]
name = "eth0"

[policy]
unlisted_ports = "drop"
protocols = ["esp"]
reply_ports = ["123/udp"]

[policy.management]
ports = ["22/tcp"]
from = ["office"]

[prefix_list.office]
prefixes = ["203.0.113.0/24", "2001:db8:10::/48"]

[prefix_list.partners]
file = "partners.txt"

[[service]]
name = "api"
ports = ["443/tcp", "443/quic"]
allow = ["office", "partners", "203.0.113.64/26"]
deny = ["203.0.113.128/25"]
exempt = ["203.0.113.9"]

[service.rate_limit]
connections_per_second = 0.9765625
burst = 2

[[service.rate_limit.override]]
sources = ["partners"]
connections_per_second = 20
packets_per_second = 6.25

[[service]]
name = "watched"
ports = ["7100/tcp"]
mode = "monitor"
allow = ["office"]
"#;
const PARTNERS: &str = "# Networks of partners.\n198.51.100.0/24\n2001:db8:20::/48\n";
const NOW_UNIX: u64 = 1_800_000_000;

struct World {
    loaded: Loaded,
    generation: Generation,
    host: Host,
}

impl World {
    fn new() -> Self {
        let read = |_: &Path| Ok(PARTNERS.as_bytes().to_vec());
        let path = Path::new("/etc/edge-filter/config.toml");
        let loaded = load_from(path, CONFIG.as_bytes(), &read, &HostFacts::default())
            .unwrap_or_else(|errors| panic!("{errors}"));
        let generation = compile(&loaded.policy, &Ids::in_order(&loaded.policy));
        Self {
            generation: generation.expect("compiles"),
            host: Host::default(),
            loaded,
        }
    }

    fn explain(&self, source: &str, port: &str, flags: &str) -> Explanation {
        let question = question(source, port, flags);
        let answer = self.host.ask(&self.generation, &frame(&question));
        let services = &self.loaded.policy.services;
        Explanation::new(&Facts {
            question: &question,
            answer: &answer,
            device: "eth0",
            loaded: Some(&self.loaded),
            answered_by: Answerer::Offline,
            service_name: &|number| Some(services.get(usize::from(number))?.name.clone()),
            now_unix: NOW_UNIX,
        })
    }

    fn send(&self, source: &str, port: &str) {
        let question = question(source, port, "syn");
        self.host.decide(&self.generation, &frame(&question));
    }

    fn ban(&mut self, key: SourceKey, worth: u64, seconds: u64) {
        self.host.exceptions |= worth;
        let expiry = self.host.now_ns + seconds * 1_000_000_000;
        self.host.bans.insert(key, expiry);
    }
}

fn question(source: &str, port: &str, flags: &str) -> Question {
    let source: std::net::IpAddr = source.parse().expect("an address");
    let destination = if source.is_ipv4() {
        "192.0.2.1"
    } else {
        "2001:db8::1"
    };
    Question {
        source,
        destination: destination.parse().expect("an address"),
        what: port.parse().expect("a port"),
        source_port: 50_000,
        flags: flags.parse().expect("flags"),
        vlans: Vec::new(),
    }
}

#[test]
fn each_way_to_a_verdict_reads_as_recorded() {
    let mut world = World::new();
    world.ban(SourceKey::v4(0xcb00_7105, Scope::All), BANS_V4, 3600);
    let banned = SourceKey::v6_64(0x2001_0db8_0010_0001, Scope::Service(0));
    world.ban(banned, of_scope(BANS_V6_64, Scope::Service(0)), 61);
    world.host.exceptions |= ALLOWS;
    let expiry = world.host.now_ns + 1;
    let allowed = SourceKey::v4(0xc000_0263, Scope::All);
    world.host.allows.insert(allowed, expiry);
    for _ in 0..3 {
        world.send("203.0.113.7", "443/tcp");
    }
    world.send("198.51.100.7", "443/tcp");

    let mut text = String::new();
    for (source, port, flags) in [
        ("203.0.113.8", "443/tcp", "syn"),
        ("203.0.113.8", "443/tcp", "ack"),
        ("203.0.113.70", "443/quic", "syn"),
        ("203.0.113.7", "443/tcp", "syn"),
        ("198.51.100.7", "443/tcp", "syn"),
        ("203.0.113.9", "443/tcp", "syn"),
        ("203.0.113.200", "443/tcp", "syn"),
        ("192.0.2.7", "443/tcp", "syn"),
        ("192.0.2.99", "443/tcp", "syn"),
        ("203.0.113.5", "443/tcp", "syn"),
        ("2001:db8:10:1::9", "443/tcp", "syn"),
        ("203.0.113.8", "22/tcp", "syn"),
        ("192.0.2.7", "22/tcp", "syn"),
        ("192.0.2.7", "123/udp", "syn"),
        ("192.0.2.7", "68/udp", "syn"),
        ("192.0.2.7", "esp", "syn"),
        ("192.0.2.7", "gre", "syn"),
        ("192.0.2.7", "icmp", "syn"),
        ("192.0.2.7", "443/tcp", "syn,fin"),
        ("192.0.2.7", "7100/tcp", "syn"),
    ] {
        let explanation = world.explain(source, port, flags);
        let _ = writeln!(text, "== {source} {port} {flags}\n{explanation}");
    }
    world.host.is_bypassed = true;
    let bypassed = world.explain("192.0.2.7", "443/tcp", "syn");
    let _ = writeln!(text, "== bypassed\n{bypassed}");
    insta::with_settings!({prepend_module_to_snapshot => false, omit_expression => true}, {
        insta::assert_snapshot!("explanations", text);
    });
}

#[test]
fn what_it_says_in_json_is_what_it_says_in_text() {
    let world = World::new();
    world.send("203.0.113.7", "443/tcp");
    let explanation = world.explain("203.0.113.7", "443/tcp", "syn");
    let json = serde_json::to_value(&explanation).expect("JSON");
    assert_eq!(json["verdict"], "pass");
    assert_eq!(json["reason"], "allowed");
    assert_eq!(json["row"], "13");
    assert_eq!(json["service"]["name"], "api");
    assert_eq!(json["service"]["at"]["line"], 19);
    assert_eq!(json["decided_by"]["mention"]["list"], "office");
    assert_eq!(json["decided_by"]["at"]["line"], 14);
    assert_eq!(json["rates"][0]["left"], 1);
    assert_eq!(json["rates"][0]["burst"], 2);
    assert_eq!(json["rates"][0]["is_used"], true);
    assert_eq!(json["packet"]["flags"], "syn");
}

#[test]
fn asking_takes_nothing_from_the_rate() {
    let world = World::new();
    for _ in 0..10 {
        let explanation = world.explain("203.0.113.7", "443/tcp", "syn");
        assert_eq!(explanation.rates[0].left, 2);
        assert!(!explanation.rates[0].is_used);
    }
    assert_eq!("syn".parse(), Ok(Flags::SYN));
}
