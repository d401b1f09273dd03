//! List files: what is accepted is what a second, naive reading finds, and the tables hold exactly
//! that.

use super::{configs, files};
use crate::frame::{self, flags};
use crate::oracle::{Context, Oracle};
use filter_user::compile::{Ids, compile};
use filter_user::config::policy::{Policy, PrefixList};
use filter_user::config::{HostFacts, load_from};
use filter_user::offline::Host;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

const CONFIG: &[u8] = b"[[interface]]
name = \"eth0\"
[prefix_list.listed]
file = \"listed.txt\"
allow_empty = true
[[service]]
name = \"api\"
ports = [\"443/tcp\"]
allow = [\"listed\"]
";

/// Prefixes at whose edges packets come from.
const ASKED: usize = 12;

/// The text of a list that nobody vouches for.
pub fn run(bytes: &[u8]) {
    let read = |_: &Path| Ok(bytes.to_vec());
    let host = HostFacts::default();
    match load_from(Path::new("config.toml"), CONFIG, &read, &host) {
        Ok(loaded) => {
            let text = std::str::from_utf8(bytes).expect("nothing else is accepted");
            let list = &loaded.policy.lists[0];
            assert_eq!(read_naively(text), (list.v4.clone(), list.v6.clone()));
            ask_at_the_edges(&loaded.policy, list);
        }
        Err(errors) => configs::said(&errors.diagnostics),
    }
}

fn read_naively(text: &str) -> (Vec<Ipv4Net>, Vec<Ipv6Net>) {
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for line in text.trim_start_matches('\u{feff}').split('\n') {
        let entry = line.split('#').next().unwrap_or_default().trim();
        if entry.is_empty() {
            continue;
        }
        let net = match entry.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address),
            Err(_) => entry.parse().expect("a prefix was accepted that is none"),
        };
        assert_eq!(net.addr(), net.network(), "host bits are set");
        match net {
            IpNet::V4(net) => v4.push(net),
            IpNet::V6(net) => v6.push(net),
        }
    }
    (v4, v6)
}

/// A connection from the first and the last address of each prefix, and from beside them.
fn ask_at_the_edges(policy: &Policy, list: &PrefixList) {
    let generation = compile(policy, &Ids::in_order(policy)).expect("it is within capacity");
    let host = Host::bare();
    let mut oracle = Oracle::default();
    let mut ask = |source: IpAddr| {
        let destination = match source {
            IpAddr::V4(_) => Ipv4Addr::new(192, 0, 2, 1).into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        };
        let syn = frame::tcp(443, flags::SYN);
        let frame = frame::ip(source, destination, 6, &syn);
        let context = Context {
            interface: Some(0),
            ..Context::default()
        };
        let wanted = oracle.judge(policy, &context, &frame);
        let outcome = host.decide(&generation, &frame).outcome();
        assert_eq!(outcome.reason().label(), wanted.reason, "{source}");
    };
    for net in list.v4.iter().take(ASKED) {
        let (first, last) = (net.network().to_bits(), net.broadcast().to_bits());
        for bits in [first, last, first.wrapping_sub(1), last.wrapping_add(1)] {
            ask(Ipv4Addr::from_bits(bits).into());
        }
    }
    for net in list.v6.iter().take(ASKED) {
        let (first, last) = (net.network().to_bits(), net.broadcast().to_bits());
        for bits in [first, last, first.wrapping_sub(1), last.wrapping_add(1)] {
            ask(Ipv6Addr::from_bits(bits).into());
        }
    }
}

/// The shipped list, those of the tests, the addresses of their table, and crowded ones.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = files("filter-user/tests/config", ".list");
    seeds.extend(files("config", "partners.txt"));
    for table in files("filter-user/tests/config", "addresses.csv") {
        let table = String::from_utf8(table).expect("it is text");
        let cells = table.split([',', '\n']).map(|cell| cell.trim_matches('"'));
        seeds.extend(cells.map(|cell| cell.as_bytes().to_vec()));
    }
    for length in 0..=32 {
        let net = Ipv4Net::new(Ipv4Addr::new(203, 0, 113, 255), length).expect("a length");
        seeds.push(format!("{}\n10.0.0.0/8 # all", net.trunc()).into_bytes());
    }
    for length in 0..=128 {
        let address = Ipv6Addr::new(0x2001, 0xdb8, 1, 2, 3, 4, 5, 6);
        let net = Ipv6Net::new(address, length).expect("a length");
        seeds.push(format!("{}\r\n\t2001:db8::/33", net.trunc()).into_bytes());
    }
    let crowded = |line: &dyn Fn(u32) -> String| (0..40).map(line).collect::<String>().into_bytes();
    seeds.push(crowded(&|n| format!("10.1.{n}.{n}\n")));
    seeds.push(crowded(&|n| format!("2001:db8::{n:x}\n")));
    seeds.push(crowded(&|n| format!("2001:db8:0:{n:x}::/64\n")));
    seeds
}
