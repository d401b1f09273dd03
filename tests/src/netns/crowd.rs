//! A thousand clients, each with an address of its own; those of IPv6 each with a /64, since that is
//! what counts as one source.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Net, Wire};

/// How many.
pub const CLIENTS: u16 = 1000;

/// Gives them to the client of a net: every address of two networks is its own.
pub fn gather(net: &Net, wire: Wire) {
    net.client.run(|| {
        fs::write("/proc/sys/net/ipv6/ip_nonlocal_bind", "1").expect("it is the namespace's own");
    });
    net.client
        .ip("route add local 10.78.0.0/16 dev lo\nroute add local fd79::/16 dev lo\n");
    let [v4, v6] = [false, true].map(|is_ipv6| wire.client(10, is_ipv6));
    net.server.ip(&format!(
        "route add 10.78.0.0/16 via {v4}\nroute add fd79::/16 via {v6}\n"
    ));
}

/// The address of one: in turn of both families.
pub fn client(number: u16) -> IpAddr {
    let [high, low] = number.to_be_bytes();
    match number % 2 {
        0 => Ipv4Addr::new(10, 78, high, low).into(),
        _ => Ipv6Addr::new(0xfd79, 0, 0, number, 0, 0, 0, 1).into(),
    }
}
