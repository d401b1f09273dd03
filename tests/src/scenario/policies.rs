//! Random policies.

use super::{HOST, source4, source6};
use crate::random::Random;
use filter_user::config::policy::Policy;
use filter_user::config::{HostFacts, load_from};
use std::fmt::Write as _;
use std::path::Path;

/// A policy that `validate` accepts, and its text.
pub fn policy(random: &mut Random) -> (String, Policy) {
    loop {
        let text = policy_text(random);
        let read = |_: &Path| Err(std::io::Error::other("no files here"));
        let path = Path::new("config.toml");
        if let Ok(loaded) = load_from(path, text.as_bytes(), &read, &HostFacts::default()) {
            return (text, loaded.policy);
        }
    }
}

fn policy_text(random: &mut Random) -> String {
    let mut text = String::new();
    let interfaces = 1 + random.below(2);
    for n in 0..interfaces {
        let _ = writeln!(text, "[[interface]]\nname = \"eth{n}\"");
    }
    let unlisted = random.pick(&["pass", "monitor", "drop"]);
    let mode = if random.one_in(6) {
        "monitor"
    } else {
        "enforce"
    };
    let _ = writeln!(
        text,
        "[policy]\nmode = \"{mode}\"\nunlisted_ports = \"{unlisted}\""
    );
    if random.one_in(2) {
        text.push_str("protocols = [\"esp\", 89]\n");
    }
    if random.one_in(2) {
        text.push_str("reply_ports = [\"123/udp\", \"8002/tcp\"]\n");
    }
    if random.one_in(2) {
        let from = sources(random, 0);
        let _ = writeln!(
            text,
            "[policy.management]\nports = [\"22/tcp\", \"53/udp\"]\nfrom = {from}"
        );
    } else {
        text.push_str("management = \"none\"\n");
    }
    let lists = random.below(3);
    for n in 0..lists {
        let prefixes = match random.one_in(3) {
            true => networks(random),
            false => prefixes(random),
        };
        let _ = writeln!(text, "[prefix_list.list{n}]\nprefixes = {prefixes}");
    }
    for n in 0..1 + random.below(4) {
        service(random, &mut text, n, lists, interfaces);
    }
    text
}

fn service(random: &mut Random, text: &mut String, n: usize, lists: usize, interfaces: usize) {
    let ports = random.pick(&[
        "\"443/tcp\"",
        "\"443/tcp\", \"443/quic\"",
        "\"443/quic\"",
        "\"8000-8001/tcp\"",
        "\"8001/tcp\", \"8001/udp\"",
        "\"53/udp\", \"53/tcp\"",
        "\"22/tcp\"",
        "\"1-65535/tcp\"",
    ]);
    let _ = writeln!(text, "[[service]]\nname = \"s{n}\"\nports = [{ports}]");
    let _ = writeln!(text, "allow = {}", sources(random, lists));
    if random.one_in(2) {
        let _ = writeln!(text, "deny = {}", sources(random, lists));
    }
    if random.one_in(3) {
        let _ = writeln!(text, "exempt = {}", sources(random, lists));
    }
    if random.one_in(3) {
        let _ = writeln!(text, "interfaces = [\"eth{}\"]", random.below(interfaces));
    }
    if random.one_in(3) {
        let _ = writeln!(text, "addresses = [\"{}\", \"{}\"]", HOST[0], HOST[2]);
    }
    if random.one_in(6) {
        text.push_str("mode = \"monitor\"\n");
    }
    if random.one_in(3) {
        return;
    }
    text.push_str("[service.rate_limit]\n");
    let packets = random.one_in(2);
    if !packets || random.one_in(2) {
        connections(random, text);
    }
    if packets {
        // Intervals that are whole numbers of 16 ns.
        let _ = writeln!(
            text,
            "packets_per_second = {}",
            random.pick(&["625.0", "62.5", "6.25"])
        );
        let _ = writeln!(text, "packet_burst = {}", 7 + random.below(9));
    }
    let _ = writeln!(text, "source_prefix_ipv4 = {}", random.pick(&[32, 30, 24]));
    let _ = writeln!(
        text,
        "source_prefix_ipv6 = {}",
        random.pick(&[128, 96, 64, 48])
    );
    for _ in 0..random.below(3) {
        text.push_str("[[service.rate_limit.override]]\n");
        let _ = writeln!(text, "sources = {}", sources(random, lists));
        connections(random, text);
    }
}

/// Intervals that are whole numbers of 4 x 1.024 us, so that a quarter is one too.
fn connections(random: &mut Random, text: &mut String) {
    let rate = random.pick(&["97.65625", "9.765625", "0.9765625", "488.28125"]);
    let _ = writeln!(
        text,
        "connections_per_second = {rate}\nburst = {}",
        5 + random.below(6)
    );
}

fn sources(random: &mut Random, lists: usize) -> String {
    if lists > 0 && random.one_in(2) {
        return format!("[\"list{}\", {}]", random.below(lists), prefix(random));
    }
    if random.one_in(5) {
        "[\"any\"]".into()
    } else {
        prefixes(random)
    }
}

fn prefixes(random: &mut Random) -> String {
    let all: Vec<_> = (0..1 + random.below(4)).map(|_| prefix(random)).collect();
    format!("[{}]", all.join(", "))
}

/// Every second /24 of a part of a /16 that packets come from, for which a table has bits; and
/// others.
fn networks(random: &mut Random) -> String {
    let (a, first) = (random.below(2) * 128, random.below(2));
    let many = (0..10 + random.below(20)).map(|n| format!("\"10.{a}.{}.0/24\"", first + 2 * n));
    let others = (0..random.below(3)).map(|_| prefix(random));
    let all: Vec<_> = many.chain(others.collect::<Vec<_>>()).collect();
    format!("[{}]", all.join(", "))
}

fn prefix(random: &mut Random) -> String {
    if random.one_in(2) {
        let length = random.pick(&[0, 8, 16, 24, 28, 30, 31, 32]);
        let net = ipnet::Ipv4Net::new(source4(random), length).expect("a length");
        format!("\"{}\"", net.trunc())
    } else {
        let length = random.pick(&[0, 16, 32, 48, 63, 64, 65, 96, 120, 127, 128]);
        let net = ipnet::Ipv6Net::new(source6(random), length).expect("a length");
        format!("\"{}\"", net.trunc())
    }
}
