//! What the kernel and other programs say, as numbers. `None`: it says something else.

/// Packets of the one counter that `nft list counter` shows.
pub fn nft_packets(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once("packets ")?;
    rest.split(' ').next()?.parse().ok()
}

/// A counter of `ethtool --statistics`.
pub fn device_counter(text: &str, name: &str) -> Option<u64> {
    let lines = text.lines().map(str::trim);
    let mut values = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    values.next()?.trim().parse().ok()
}

/// Packets of the first rule that drops, in `iptables --list --verbose --exact`.
pub fn iptables_drops(text: &str) -> Option<u64> {
    let rule = text.lines().find(|line| line.contains("DROP"))?;
    rule.split_whitespace().next()?.parse().ok()
}

/// A line of `/proc/PID/status`, in bytes.
pub fn status_bytes(text: &str, name: &str) -> Option<f64> {
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let kilobytes: f64 = value.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024.0)
}

/// Time on a CPU in `/proc/PID/schedstat`, in nanoseconds.
pub fn run_ns(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{device_counter, iptables_drops, nft_packets, run_ns, status_bytes};

    #[test]
    fn counters_of_nftables() {
        let text = "table netdev edge {\n\tcounter dropped {\n\t\tpackets 31 bytes 1860\n\t}\n}\n";
        assert_eq!(nft_packets(text), Some(31));
        assert_eq!(nft_packets("table netdev edge {\n}\n"), None);
    }

    #[test]
    fn counters_of_a_device() {
        let text = "NIC statistics:\n     peer_ifindex: 2\n     rx_queue_0_xdp_packets: 77\n\
                    \x20    rx_queue_0_xdp_drops: 5\n";
        assert_eq!(device_counter(text, "rx_queue_0_xdp_drops"), Some(5));
        assert_eq!(device_counter(text, "rx_queue_0_xdp"), None);
    }

    #[test]
    fn counters_of_iptables() {
        let text = "Chain PREROUTING (policy ACCEPT 1 packets, 60 bytes)\n    pkts      bytes target\n\
                    \x20     42     2520 DROP       0    --  *      *  0.0.0.0/0  0.0.0.0/0\n";
        assert_eq!(iptables_drops(text), Some(42));
        assert_eq!(iptables_drops("Chain PREROUTING (policy ACCEPT)\n"), None);
    }

    #[test]
    fn lines_of_proc() {
        let text = "Name:\tedge-filter\nVmHWM:\t   13312 kB\nVmRSS:\t    8192 kB\n";
        assert_eq!(status_bytes(text, "VmHWM"), Some(13_312.0 * 1024.0));
        assert_eq!(status_bytes(text, "Vm"), None);
        assert_eq!(run_ns("12345 678 90\n"), Some(12_345.0));
    }
}
