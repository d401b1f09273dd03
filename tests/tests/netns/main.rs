//! The real binary in network namespaces, with real sockets and crafted frames.

mod access;
mod addresses;
mod apply;
mod apply_faults;
mod bans;
mod boot;
mod bypass;
mod clock;
mod configmap;
mod container;
mod dashboard;
mod doctor;
mod events;
mod explain;
mod fail2ban;
mod faults;
mod flood;
mod frames;
mod guard;
mod harness;
mod hostile;
mod interfaces;
mod leaks;
mod life;
mod log;
mod metrics;
mod monitor;
mod page;
mod rates;
mod reload;
mod reload_traffic;
mod replay;
mod security;
mod surroundings;
mod top;
mod traffic;
mod unlisted;
mod upgrade;

use edge_filter_tests::netns::Wire;

/// The only wire of most tests.
const WIRE: Wire = Wire(0);
/// The service of most tests.
const PORT: u16 = 7000;
/// IPv4, then IPv6.
const FAMILIES: [bool; 2] = [false, true];
