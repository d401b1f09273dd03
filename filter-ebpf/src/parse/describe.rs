//! Frame -> what an event tells of it. More patient than `parse`: of a malformed packet it tells
//! what can be read. Nothing is judged here.

use super::transport::{TCP, UDP};
use super::{Datagram, ethernet, ipv4, ipv6};
use crate::packet::{Fields as _, Packet};
use ethernet::Network;
use filter_common::event::Event;

const IPV4_HEADER: usize = 20;
const IPV6_HEADER: usize = 40;
/// Up to the flags of a TCP header.
const TCP_START: usize = 14;

/// Fills in everything that the frame tells; what it does not is left at 0.
#[inline(always)]
pub fn describe<P: Packet + ?Sized>(packet: &P, event: &mut Event) {
    match ethernet::network(packet) {
        Ok(Network::Ipv4(at)) => {
            let Some(header) = packet.load::<IPV4_HEADER>(at) else {
                return;
            };
            event.vlans = ethernet::vlans(packet, at);
            event.ip_version = 4;
            event.source = [0, header.u32_at::<12>().into()];
            event.destination = [0, header.u32_at::<16>().into()];
            event.protocol = header[9];
            if let Ok(datagram) = ipv4::datagram(packet, at) {
                transport(packet, &datagram, event);
            }
        }
        Ok(Network::Ipv6(at)) => {
            let Some(header) = packet.load::<IPV6_HEADER>(at) else {
                return;
            };
            event.vlans = ethernet::vlans(packet, at);
            event.ip_version = 6;
            event.source = [header.u64_at::<8>(), header.u64_at::<16>()];
            event.destination = [header.u64_at::<24>(), header.u64_at::<32>()];
            event.protocol = header[6];
            if let Ok(datagram) = ipv6::datagram(packet, at) {
                event.protocol = datagram.protocol;
                transport(packet, &datagram, event);
            }
        }
        Err(_) => {}
    }
}

#[inline(always)]
fn transport<P: Packet + ?Sized>(packet: &P, ip: &Datagram, event: &mut Event) {
    if ip.fragment.is_later() || (ip.protocol != TCP && ip.protocol != UDP) {
        return;
    }
    let Some(ports) = packet.load_within::<4>(ip.at, ip.end) else {
        return;
    };
    event.source_port = ports.u16_at::<0>();
    event.destination_port = ports.u16_at::<2>();
    event.has_ports = 1;
    if ip.protocol == TCP
        && let Some(header) = packet.load_within::<TCP_START>(ip.at, ip.end)
    {
        event.tcp_flags = header[13];
    }
}
