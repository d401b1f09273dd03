//! Frames as etherparse builds them, another hand than ours: every header that it knows, in every
//! combination. And the same cut short at every byte.

use etherparse::{
    ArpHardwareId, ArpOperation, ArpPacket, EtherType, IpAuthHeader, IpFragOffset, IpHeaders,
    IpNumber, Ipv4Extensions, Ipv4Header, Ipv6Extensions, Ipv6FragmentHeader, Ipv6Header,
    Ipv6RawExtHeader, Ipv6RoutingExtensions, PacketBuilder, PacketBuilderStep, TcpHeader, VlanId,
    igmp,
};

use crate::random::Random;

const MACS: ([u8; 6], [u8; 6]) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
/// Shorter frames are not Ethernet: a test run refuses them.
const SHORTEST: usize = 14;

/// All of a frame's beginnings, the shortest first.
pub fn truncations(frame: &[u8]) -> impl DoubleEndedIterator<Item = Vec<u8>> {
    (SHORTEST..frame.len()).map(|length| frame[..length].to_vec())
}

/// A frame of these addresses, to or from one of these ports.
///
/// # Panics
/// Never: every part is one that etherparse takes.
pub fn frame(random: &mut Random, ends4: [[u8; 4]; 2], ends6: [[u8; 16]; 2], port: u16) -> Vec<u8> {
    let ethernet = PacketBuilder::ethernet2(MACS.0, MACS.1);
    let id = |random: &mut Random| VlanId::try_new(random.below(4096) as u16).expect("12 bits");
    if random.one_in(40) {
        let arp = ArpPacket::new(
            ArpHardwareId::ETHERNET,
            EtherType::IPV4,
            ArpOperation::REQUEST,
            &MACS.0,
            &ends4[0],
            &MACS.1,
            &ends4[1],
        );
        let mut bytes = Vec::new();
        let built = ethernet.arp(arp.expect("lengths that fit"));
        built.write(&mut bytes).expect("it fits");
        return bytes;
    }
    let ip = match random.one_in(2) {
        true => headers4(random, ends4),
        false => headers6(random, ends6),
    };
    let built = match random.below(4) {
        0 => ethernet.single_vlan(id(random)).ip(ip),
        1 => {
            let (outer, inner) = (id(random), id(random));
            ethernet.double_vlan(outer, inner).ip(ip)
        }
        _ => ethernet.ip(ip),
    };
    carrying(random, built, port)
}

fn headers4(random: &mut Random, [source, destination]: [[u8; 4]; 2]) -> IpHeaders {
    let mut header = Ipv4Header::new(0, random.next() as u8, IpNumber::TCP, source, destination)
        .expect("short enough");
    header.identification = random.next() as u16;
    header.dont_fragment = random.one_in(2);
    if random.one_in(6) {
        header.more_fragments = random.one_in(2);
        header.fragment_offset = offset(random);
    }
    if random.one_in(4) {
        let options = vec![1; 4 * (1 + random.below(10))];
        header.options = options[..].try_into().expect("words, at most ten");
    }
    let auth = random.one_in(6).then(|| auth(random));
    IpHeaders::Ipv4(header, Ipv4Extensions { auth })
}

fn headers6(random: &mut Random, [source, destination]: [[u8; 16]; 2]) -> IpHeaders {
    let header = Ipv6Header {
        traffic_class: random.next() as u8,
        hop_limit: random.next() as u8,
        source,
        destination,
        ..Default::default()
    };
    let mut some = |one_in| random.one_in(one_in).then(|| options(random));
    let (hop_by_hop_options, destination_options) = (some(4), some(4));
    let (routing, final_destination_options) = (some(4), some(3));
    let extensions = Ipv6Extensions {
        hop_by_hop_options,
        destination_options,
        routing: routing.map(|routing| Ipv6RoutingExtensions {
            routing,
            final_destination_options,
        }),
        fragment: random.one_in(5).then(|| {
            let offset = offset(random);
            Ipv6FragmentHeader::new(IpNumber::TCP, offset, random.one_in(2), 7)
        }),
        auth: random.one_in(5).then(|| auth(random)),
    };
    IpHeaders::Ipv6(header, extensions)
}

fn offset(random: &mut Random) -> IpFragOffset {
    let units = random.pick(&[0, 0, 1, 2, 3, 0x1fff]);
    IpFragOffset::try_new(units).expect("13 bits")
}

fn auth(random: &mut Random) -> IpAuthHeader {
    let check = vec![0x5a; 4 * random.below(8)];
    IpAuthHeader::new(IpNumber::TCP, 1, 2, &check).expect("words")
}

/// Of a routing header the first byte is its type; the kernel's own refuses type 0 as well.
fn options(random: &mut Random) -> Ipv6RawExtHeader {
    let mut bytes = vec![0; 6 + 8 * random.below(4)];
    bytes[0] = random.below(5) as u8;
    Ipv6RawExtHeader::new_raw(IpNumber::TCP, &bytes).expect("units of eight")
}

fn carrying(random: &mut Random, ip: PacketBuilderStep<IpHeaders>, port: u16) -> Vec<u8> {
    let payload = vec![0xa5; random.below(40)];
    let mut bytes = Vec::new();
    let written = match random.below(10) {
        0..=4 => {
            let header = tcp(random, port);
            ip.tcp_header(header).write(&mut bytes, &payload)
        }
        5..=6 => ip.udp(40_000, port).write(&mut bytes, &payload),
        7 => match random.one_in(2) {
            true => ip.icmpv4_echo_request(1, 2).write(&mut bytes, &payload),
            false => ip.icmpv6_echo_request(1, 2).write(&mut bytes, &payload),
        },
        8 => {
            let query = igmp::MembershipQueryType {
                max_response_time: 1,
                group_address: igmp::GroupAddress::new([0; 4]),
            };
            let built = ip.igmp(etherparse::IgmpType::MembershipQuery(query));
            built.write(&mut bytes, &[])
        }
        _ => {
            let number = random.pick(&[50, 47, 4, 41, 89, 132, 253]);
            ip.write(&mut bytes, IpNumber(number), &payload)
        }
    };
    // It refuses what it knows to be wrong, as ICMPv6 over IPv4; then nothing was built.
    match written {
        Ok(()) => bytes,
        Err(_) => vec![0; SHORTEST],
    }
}

fn tcp(random: &mut Random, port: u16) -> TcpHeader {
    let mut header = TcpHeader::new(40_000, port, random.next() as u32, 65_535);
    match random.below(6) {
        0 => {
            let bits = random.next() as u8;
            let flag = |n: u8| bits >> n & 1 == 1;
            (header.fin, header.syn, header.rst) = (flag(0), flag(1), flag(2));
            (header.psh, header.ack, header.urg) = (flag(3), flag(4), flag(5));
            (header.ece, header.cwr, header.ns) = (flag(6), flag(7), random.one_in(2));
        }
        1..=3 => header.syn = true,
        _ => header.ack = true,
    }
    if random.one_in(3) {
        let words = vec![1; 4 * random.below(11)];
        header.set_options_raw(&words).expect("at most ten words");
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_cut_at_every_byte() {
        let frame: Vec<u8> = (0..60).collect();
        let all: Vec<_> = truncations(&frame).collect();
        assert_eq!(all.len(), 60 - SHORTEST);
        assert!(all.iter().all(|short| frame.starts_with(short)));
    }
}
