//! The filters, each with the same work. The peers' rules are as short as can be: no ports, one
//! family.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};
use filter_common::verdict::Outcome;

use super::lane::{DEVICE, Lane};
use super::{Dropper, Work};
use crate::Bench;
use crate::edge::Edge;
use crate::lists::List;
use crate::peers::XdpFilter;
use crate::{rules, told};

/// A filter that is in force.
pub struct Subject<'a> {
    lane: &'a Lane,
    what: What,
}

enum What {
    Edge(Box<Edge>, Outcome, PathBuf),
    XdpFilter(XdpFilter, PathBuf),
    Nft(&'static str),
    Iptables,
}

/// Puts it in force.
///
/// # Errors
/// What it says.
pub fn set_up<'a>(
    bench: &Bench,
    lane: &'a Lane,
    filter: Dropper,
    work: Work,
    list: &List,
) -> Result<Subject<'a>> {
    let pins = bench.pins.join("veth");
    let what = match filter {
        Dropper::Edge => {
            let (policy, outcome) = match work {
                Work::List(_) => (DENYING, Outcome::DENIED),
                Work::Rate(_) => (RATED, Outcome::CONNECTION_RATE),
            };
            let mut edge = Edge::open(&pins, policy, &list.text_v4())?;
            lane.inside(|| edge.attach(DEVICE))?;
            What::Edge(Box::new(edge), outcome, pins)
        }
        Dropper::XdpFilter => {
            let mut xdp_filter = XdpFilter::load(&pins, &addresses(list))?;
            lane.inside(|| xdp_filter.attach(DEVICE))?;
            What::XdpFilter(xdp_filter, pins)
        }
        Dropper::NftNetdev | Dropper::NftInet => {
            let family = match filter {
                Dropper::NftNetdev => "netdev",
                _ => "inet",
            };
            let path = bench.folder().join("rules.nft");
            fs::write(&path, nft(family, work, list)).context("rules.nft")?;
            lane.command(Command::new("nft").arg("-f").arg(&path))?;
            What::Nft(family)
        }
        Dropper::Iptables => {
            iptables(bench, lane, work, list)?;
            What::Iptables
        }
    };
    Ok(Subject { lane, what })
}

const DENYING: &str = r#"[[interface]]
name = "eth0"
[prefix_list.many]
file = "many.txt"
[[service]]
name = "api"
ports = ["443/tcp"]
allow = ["any"]
deny = ["many"]
"#;

const RATED: &str = r#"[[interface]]
name = "eth0"
[[service]]
name = "api"
ports = ["443/tcp"]
allow = ["any"]
[service.rate_limit]
connections_per_second = 0.001
burst = 1
"#;

/// What xdp-filter gets of a list.
pub fn addresses(list: &List) -> Vec<u32> {
    let addresses = list.v4.iter().map(|prefix| prefix.0);
    addresses.take(XdpFilter::CAPACITY).collect()
}

fn nft(family: &str, work: Work, list: &List) -> String {
    let hook = match family {
        "netdev" => format!("ingress device \"{DEVICE}\" priority 0"),
        _ => "prerouting priority raw".into(),
    };
    let (set, rule) = match work {
        Work::List(_) => {
            let prefixes = rules::v4_prefixes(list);
            let set = rules::nft_set("listed4", "ipv4_addr", &prefixes);
            (set, "ip saddr @listed4")
        }
        Work::Rate(_) => (
            "set rated { type ipv4_addr; size 2097152; flags dynamic,timeout; timeout 1h; }\n"
                .into(),
            "add @rated { ip saddr limit rate over 1/hour burst 1 packets }",
        ),
    };
    format!(
        "table {family} edge {{\ncounter dropped {{ }}\n{set}chain first {{\n\
         type filter hook {hook}; policy accept;\n{rule} counter name dropped drop\n}}\n}}\n"
    )
}

fn iptables(bench: &Bench, lane: &Lane, work: Work, list: &List) -> Result<()> {
    let rule = match work {
        Work::List(_) => {
            let path = bench.folder().join("sets.ipset");
            fs::write(&path, rules::ipsets(list)).context("sets.ipset")?;
            lane.command(
                Command::new("ipset")
                    .args(["restore", "-exist", "-file"])
                    .arg(&path),
            )?;
            "-m set --match-set listed4 src"
        }
        Work::Rate(_) => {
            "-p tcp --syn -m hashlimit --hashlimit-above 1/day --hashlimit-burst 1 \
             --hashlimit-mode srcip --hashlimit-name edge --hashlimit-htable-size 1048576 \
             --hashlimit-htable-max 2097152 --hashlimit-htable-expire 3600000"
        }
    };
    let append = format!("--table raw --append PREROUTING {rule} --jump DROP");
    lane.command(Command::new("iptables").args(append.split(' ')))?;
    Ok(())
}

impl Subject<'_> {
    /// Packets that it has dropped, by its own count.
    ///
    /// # Errors
    /// It does not tell.
    pub fn dropped(&self) -> Result<u64> {
        let packets = match &self.what {
            What::Edge(edge, outcome, _) => return edge.counted(*outcome),
            What::XdpFilter(..) => return self.lane.counter("rx_queue_0_xdp_drops"),
            What::Nft(family) => {
                let list = ["list", "counter", family, "edge", "dropped"];
                let text = self.lane.command(Command::new("nft").args(list))?;
                told::nft_packets(&text)
            }
            What::Iptables => {
                let list = "--table raw --list PREROUTING --verbose --exact --numeric";
                let text = self
                    .lane
                    .command(Command::new("iptables").args(list.split(' ')))?;
                told::iptables_drops(&text)
            }
        };
        packets.context("its count cannot be read")
    }

    /// Takes it out of force and waits for that, since a large set takes its time.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn take_down(self) -> Result<()> {
        match self.what {
            What::Edge(edge, _, pins) => {
                drop(edge);
                fs::remove_dir_all(pins).context("its pins")?;
            }
            What::XdpFilter(program, pins) => {
                drop(program);
                fs::remove_dir_all(pins).context("its pins")?;
            }
            What::Nft(_) => {
                self.lane
                    .command(Command::new("nft").args(["flush", "ruleset"]))?;
            }
            What::Iptables => {
                let flush = ["--table", "raw", "--flush"];
                self.lane.command(Command::new("iptables").args(flush))?;
                self.lane.command(Command::new("ipset").arg("destroy"))?;
            }
        }
        Ok(())
    }
}
