//! An API on an ordinary day: partners, one that is too fast, some who have no business there.

use std::net::{IpAddr, Ipv4Addr};
use std::thread;
use std::time::Duration;

use edge_filter_tests::netns::frames::{ACK, Flow, Mark, SYN};
use edge_filter_tests::netns::raw::PacketSocket;
use edge_filter_tests::netns::{Net, Wire};

/// What it is protected by.
pub const POLICY: &str = r#"
[[interface]]
name = "s0"

[prefix_list.partners]
prefixes = ["198.51.100.0/24"]

[[service]]
name = "api"
ports = ["443/tcp"]
allow = ["partners"]

[service.rate_limit]
connections_per_second = 20
burst = 40

[[service]]
name = "resolver"
ports = ["53/udp"]
allow = ["any"]

[[service]]
name = "admin"
mode = "monitor"
ports = ["8443/tcp"]
allow = ["198.51.100.7"]
"#;

/// How often the traffic changes, and how many times: all 60 intervals of a curve.
const STEP: Duration = Duration::from_millis(50);
const STEPS: u32 = 330;

const WIRE: Wire = Wire(0);

/// Sends it: some 16 seconds.
pub fn send(net: &Net) {
    net.client.run(|| {
        let socket = PacketSocket::open(&WIRE.client_device());
        (0..STEPS).for_each(|step| {
            at(step, &socket);
            // The pace of the traffic; nothing is waited for.
            thread::sleep(STEP);
        });
    });
}

/// What comes in at this step.
fn at(step: u32, socket: &PacketSocket) {
    let wave = |period: u32, most: f64| {
        let angle = f64::from(step) / f64::from(period) * std::f64::consts::TAU;
        (most * (1.2 + angle.sin()) / 2.2) as u64
    };
    let partner = |host| Ipv4Addr::new(198, 51, 100, host);
    for host in 1..9 {
        tcp(
            socket,
            partner(host),
            443,
            ACK,
            wave(90 + 7 * u32::from(host), 40.0),
        );
    }
    tcp(socket, partner(1 + (step % 8) as u8), 443, SYN, 1);
    // In bursts: a partner's job that opens a connection for each row.
    let burst = if step % 80 < 25 { 9 } else { 0 };
    tcp(socket, partner(23), 443, SYN, burst);
    tcp(
        socket,
        partner(99),
        443,
        SYN,
        u64::from(step.is_multiple_of(3)),
    );
    for (host, most) in [(17, 6.0), (80, 3.0), (201, 1.5)] {
        let source = Ipv4Addr::new(203, 0, 113, host);
        tcp(socket, source, 443, SYN, wave(60 + u32::from(host), most));
    }
    let scanner = Ipv4Addr::new(192, 0, 2, (step % 64) as u8);
    tcp(
        socket,
        scanner,
        8443,
        SYN,
        u64::from(step.is_multiple_of(2)),
    );
    let asking = flow(partner(3), 53);
    (0..wave(45, 12.0)).for_each(|number| socket.send(&asking.udp(Mark { flow: 1, number })));
}

fn tcp(socket: &PacketSocket, source: Ipv4Addr, port: u16, flags: u8, times: u64) {
    let flow = flow(source, port);
    (0..times).for_each(|number| socket.send(&flow.tcp(flags, Mark { flow: 0, number })));
}

fn flow(source: Ipv4Addr, port: u16) -> Flow {
    Flow::new((IpAddr::V4(source), 40_000), (WIRE.server(false), port))
}
