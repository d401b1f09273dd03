//! What the host translates, read from what others wrote: rules of nftables and iptables, and
//! Docker's proxies.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};

/// Most ports of a published range that are named one by one.
const LARGEST_RANGE: u16 = 256;

/// A port of the host that leads to a container or guest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublishedPort {
    /// As the filter sees it.
    pub port: u16,
    /// TCP, else UDP.
    pub is_tcp: bool,
    /// Where it was found.
    pub how: &'static str,
}

/// Translations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nat {
    /// Ports that are published.
    pub published: BTreeSet<PublishedPort>,
    /// Whether others go out under the host's address.
    pub masquerades: bool,
}

impl Nat {
    /// From the rules in force, as far as they can be listed without changing anything.
    pub fn read() -> Self {
        let mut found = Self::in_rules(&listed("nft", &["list", "ruleset"]), "nftables");
        // Listing a table that is not loaded would load it.
        let tables = fs::read_to_string("/proc/net/ip_tables_names").unwrap_or_default();
        if tables.lines().any(|table| table == "nat") {
            let rules = listed("iptables-legacy-save", &["-t", "nat"]);
            found.add(Self::in_rules(&rules, "iptables"));
        }
        found.published.extend(proxies());
        found
    }

    fn add(&mut self, other: Self) {
        self.published.extend(other.published);
        self.masquerades |= other.masquerades;
    }

    /// `tcp dport 8080 … dnat to …`, `-p tcp … --dport 8080 -j DNAT …`, with sets and ranges.
    pub(in crate::doctor) fn in_rules(text: &str, how: &'static str) -> Self {
        let mut found = Self::default();
        for line in text.lines().map(str::to_ascii_lowercase) {
            let words: Vec<&str> = line
                .split(|c: char| c.is_whitespace() || matches!(c, ',' | '{' | '}' | '"'))
                .filter(|word| !word.is_empty())
                .collect();
            found.masquerades |= words
                .iter()
                .any(|word| matches!(*word, "masquerade" | "snat"));
            let is_dnat = words
                .iter()
                .any(|word| matches!(*word, "dnat" | "redirect"));
            let at = words
                .iter()
                .position(|w| matches!(*w, "dport" | "--dport" | "--dports"));
            let Some(at) = at.filter(|_| is_dnat) else {
                continue;
            };
            let (before, after) = words.split_at(at);
            let is_tcp = before.contains(&"tcp");
            let ports = after.iter().skip(1).map_while(|word| range(word)).flatten();
            found
                .published
                .extend(ports.map(|port| PublishedPort { port, is_tcp, how }));
        }
        found
    }
}

/// `8080`, `8000-8010` and iptables' `8000:8010`.
fn range(word: &str) -> Option<impl Iterator<Item = u16> + use<>> {
    let (first, last) = word.split_once(['-', ':']).unwrap_or((word, word));
    let (first, last): (u16, u16) = (first.parse().ok()?, last.parse().ok()?);
    Some((first..=last).take(usize::from(LARGEST_RANGE)))
}

/// What a command prints; nothing if it is not there or may not.
fn listed(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output();
    output
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default()
}

/// `docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 8080 …`: one for each published port.
fn proxies() -> Vec<PublishedPort> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let lines = processes.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines.filter_map(|line| proxy(&line)).collect()
}

pub(in crate::doctor) fn proxy(command_line: &[u8]) -> Option<PublishedPort> {
    let mut words = command_line
        .split(|byte| *byte == 0)
        .map(String::from_utf8_lossy);
    words.next()?.ends_with("docker-proxy").then_some(())?;
    let words: Vec<_> = words.collect();
    let value = |name: &str| {
        let at = words.iter().position(|word| word == name)?;
        words.get(at + 1)
    };
    value("-host-ip").filter(|address| !address.starts_with("127."))?;
    Some(PublishedPort {
        port: value("-host-port")?.parse().ok()?,
        is_tcp: value("-proto")? == "tcp",
        how: "docker-proxy",
    })
}
