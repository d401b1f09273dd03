//! Addresses that this host, or whoever types, cannot do without: read from the kernel's tables,
//! the resolvers' file and the caller's environment.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where resolvers stand; the second is systemd-resolved's own list.
const RESOLV_CONF: [&str; 2] = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];

/// `SSH_CONNECTION` of this process or of those above it: sudo takes the variable away. The
/// nearest first.
pub fn ssh_connections() -> Vec<String> {
    let mut found = Vec::new();
    let mut process = std::process::id();
    // No chain of shells is that long; a loop would have no end otherwise.
    for _ in 0..64 {
        let environment = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
        let mut variables = environment.split(|byte| *byte == 0);
        let connection = variables.find_map(|v| v.strip_prefix(b"SSH_CONNECTION="));
        let connection = connection.and_then(|text| String::from_utf8(text.to_vec()).ok());
        found.extend(connection.filter(|text| !found.contains(text)));
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
        match parent.and_then(|pid| pid.trim().parse().ok()) {
            Some(0) | None => break,
            Some(parent) => process = parent,
        }
    }
    found
}

/// Default gateways of both families.
pub fn gateways() -> Vec<IpAddr> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let mut found = gateways4(&read("/proc/net/route"));
    found.extend(gateways6(&read("/proc/net/ipv6_route")));
    found.sort();
    found.dedup();
    found
}

/// Resolvers that are not on this host.
pub fn resolvers() -> Vec<IpAddr> {
    let texts = RESOLV_CONF.map(|path| fs::read_to_string(path).unwrap_or_default());
    let mut found: Vec<_> = texts.iter().flat_map(|text| resolvers_in(text)).collect();
    found.sort();
    found.dedup();
    found
}

/// Destination 0 with mask 0; addresses are words of the host's own byte order.
fn gateways4(table: &str) -> Vec<IpAddr> {
    let gateway = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (destination, gateway, mask) = (fields.get(1)?, fields.get(2)?, fields.get(7)?);
        if u32::from_str_radix(destination, 16).ok()? != 0
            || u32::from_str_radix(mask, 16).ok()? != 0
        {
            return None;
        }
        let word = u32::from_str_radix(gateway, 16).ok()?;
        (word != 0).then(|| IpAddr::from(Ipv4Addr::from(word.to_ne_bytes())))
    };
    table.lines().skip(1).filter_map(gateway).collect()
}

/// Destination ::/0; 32 hexadecimal digits an address.
fn gateways6(table: &str) -> Vec<IpAddr> {
    let gateway = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (destination, length, gateway) = (fields.first()?, fields.get(1)?, fields.get(4)?);
        if u128::from_str_radix(destination, 16).ok()? != 0 || *length != "00" {
            return None;
        }
        let bits = u128::from_str_radix(gateway, 16).ok()?;
        (bits != 0).then(|| IpAddr::from(Ipv6Addr::from_bits(bits)))
    };
    table.lines().filter_map(gateway).collect()
}

fn resolvers_in(text: &str) -> Vec<IpAddr> {
    let resolver = |line: &str| {
        let address = line.strip_prefix("nameserver")?.split_whitespace().next()?;
        let address: IpAddr = address.split('%').next()?.parse().ok()?;
        (!address.is_loopback()).then_some(address)
    };
    text.lines().filter_map(resolver).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(found: &[IpAddr]) -> Vec<String> {
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn gateways_are_read_from_the_kernels_tables() {
        let gateway = u32::from_ne_bytes([192, 0, 2, 1]);
        let table = format!(
            "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n\
             eth0 00000000 {gateway:08X} 0003 0 0 0 00000000 0 0 0\n\
             eth0 000200C0 00000000 0001 0 0 0 00FFFFFF 0 0 0\n"
        );
        assert_eq!(addresses(&gateways4(&table)), ["192.0.2.1"]);
        let zero = "0".repeat(32);
        let table = format!(
            "{zero} 00 {zero} 00 fe800000000000000000000000000001 00000400 1 0 00000003 eth0\n\
             {zero} 00 {zero} 00 {zero} ffffffff 1 0 00200200 lo\n\
             fe80{rest} 40 {zero} 00 {zero} 00000100 1 0 00000001 eth0\n",
            rest = "0".repeat(28)
        );
        assert_eq!(addresses(&gateways6(&table)), ["fe80::1"]);
    }

    #[test]
    fn resolvers_are_addresses_without_zones() {
        let text = "# x\nnameserver 192.0.2.53\nnameserver 127.0.0.53\nnameserver fe80::1%eth0\nsearch x\n";
        assert_eq!(addresses(&resolvers_in(text)), ["192.0.2.53", "fe80::1"]);
    }

    #[test]
    fn nonsense_is_nobody() {
        for text in ["", "x", "a b c d e f g h i", "\n\n", "eth0 0 zz 0 0 0 0 0"] {
            assert!(gateways4(text).is_empty());
            assert!(gateways6(text).is_empty());
            assert!(resolvers_in(text).is_empty());
        }
    }
}
