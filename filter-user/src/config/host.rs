//! What the host's own settings have to do with a configuration.

use std::collections::HashMap;
use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;

/// Facts that some warnings need. A parameter, so that tests have a host of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostFacts {
    /// `net.ipv4.ip_local_port_range`: local ports of outgoing connections.
    pub ephemeral_ports: RangeInclusive<u16>,
    /// `net.ipv4.ip_local_reserved_ports`: exempt from it.
    pub reserved_ports: Vec<RangeInclusive<u16>>,
    /// Interface -> the bridge or bond that it is a member of.
    pub masters: HashMap<String, String>,
    /// Whether the host forwards, IPv4 or IPv6.
    pub forwarding: bool,
}

impl Default for HostFacts {
    /// A Linux host as installed.
    fn default() -> Self {
        Self {
            ephemeral_ports: 32768..=60999,
            reserved_ports: Vec::new(),
            masters: HashMap::new(),
            forwarding: false,
        }
    }
}

impl HostFacts {
    /// From `/proc/sys/net` and `/sys/class/net`; what cannot be read is as on a host as
    /// installed.
    pub fn read() -> Self {
        Self::read_below(Path::new("/"))
    }

    fn read_below(root: &Path) -> Self {
        let sysctl = |name: &str| {
            let text = fs::read_to_string(root.join("proc/sys/net").join(name));
            text.unwrap_or_default().trim().to_owned()
        };
        let default = Self::default();
        let range = sysctl("ipv4/ip_local_port_range");
        let mut ends = range.split_whitespace().map(str::parse::<u16>);
        let ephemeral_ports = match (ends.next(), ends.next()) {
            (Some(Ok(first)), Some(Ok(last))) => first..=last,
            _ => default.ephemeral_ports,
        };
        let forwards = |name: &str| !matches!(sysctl(name).as_str(), "" | "0");
        Self {
            ephemeral_ports,
            reserved_ports: parse_ranges(&sysctl("ipv4/ip_local_reserved_ports")),
            masters: read_masters(&root.join("sys/class/net")),
            forwarding: forwards("ipv4/ip_forward") || forwards("ipv6/conf/all/forwarding"),
        }
    }
}

/// `8080,9000-9010`, as the kernel writes it.
fn parse_ranges(text: &str) -> Vec<RangeInclusive<u16>> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.trim().parse().ok()?..=last.trim().parse().ok()?)
    };
    text.split(',').filter_map(range).collect()
}

fn read_masters(folder: &Path) -> HashMap<String, String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let master = |entry: fs::DirEntry| {
        let link = fs::read_link(entry.path().join("master")).ok()?;
        let master = link.file_name()?.to_str()?.to_owned();
        Some((entry.file_name().into_string().ok()?, master))
    };
    entries.filter_map(master).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_come_from_proc_and_sys() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("proc/sys/net/ipv4/ip_local_port_range", "40000\t50000\n");
        write(
            "proc/sys/net/ipv4/ip_local_reserved_ports",
            "8080,9000-9010\n",
        );
        write("proc/sys/net/ipv4/ip_forward", "0\n");
        write("proc/sys/net/ipv6/conf/all/forwarding", "1\n");
        write("sys/class/net/eth0/mtu", "1500\n");
        let master = root.path().join("sys/class/net/eth0/master");
        std::os::unix::fs::symlink("../bond0", master).unwrap();

        let facts = HostFacts::read_below(root.path());
        assert_eq!(facts.ephemeral_ports, 40000..=50000);
        assert_eq!(facts.reserved_ports, [8080..=8080, 9000..=9010]);
        assert_eq!(facts.masters["eth0"], "bond0");
        assert!(facts.forwarding);
    }

    #[test]
    fn an_unreadable_host_is_as_installed() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(HostFacts::read_below(root.path()), HostFacts::default());
    }
}
