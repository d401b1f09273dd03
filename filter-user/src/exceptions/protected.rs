//! Peers that this host, or whoever types, cannot do without now.

use crate::guard::{gateways, resolvers, ssh_connections, ssh_peer};
use std::net::IpAddr;

/// Addresses that are not banned without `--force`, each with what it is. `scraper` is who read the
/// metrics last.
pub fn protected_peers(scraper: Option<IpAddr>) -> Vec<(IpAddr, &'static str)> {
    let operators = ssh_connections();
    let operators = operators.iter().filter_map(|text| ssh_peer(text));
    let operators =
        operators.map(|peer| (peer.remote.ip(), "the other end of your SSH connection"));
    let gateways = gateways().into_iter();
    let gateways = gateways.map(|address| (address, "a default gateway of this host"));
    let resolvers = resolvers().into_iter();
    let resolvers = resolvers.map(|address| (address, "a resolver in /etc/resolv.conf"));
    let scraper = scraper.map(|address| (address, "who read the metrics last"));
    operators
        .chain(gateways)
        .chain(resolvers)
        .chain(scraper)
        .collect()
}
