//! Frames byte by byte, so that any field can be wrong.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// TCP flags.
pub mod flags {
    /// FIN.
    pub const FIN: u8 = 1;
    /// SYN.
    pub const SYN: u8 = 2;
    /// RST.
    pub const RST: u8 = 4;
    /// PSH.
    pub const PSH: u8 = 8;
    /// ACK.
    pub const ACK: u8 = 16;
    /// URG.
    pub const URG: u8 = 32;
}

/// An Ethernet header and what follows it.
pub fn ethernet(kind: u16, payload: &[u8]) -> Vec<u8> {
    tagged(&[], kind, payload)
}

/// The same behind VLAN tags: each a protocol and a VID.
pub fn tagged(tags: &[(u16, u16)], kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    for (protocol, vid) in tags {
        frame.extend(protocol.to_be_bytes());
        frame.extend(vid.to_be_bytes());
    }
    frame.extend(kind.to_be_bytes());
    frame.extend(payload);
    frame
}

/// An IPv4 packet in the making.
#[derive(Clone, Debug)]
pub struct V4 {
    /// From.
    pub source: Ipv4Addr,
    /// To.
    pub destination: Ipv4Addr,
    /// Of the payload.
    pub protocol: u8,
    /// Multiple of 4 bytes.
    pub options: Vec<u8>,
    /// Flags and offset.
    pub fragment: u16,
    /// Total length, where it is not what it should be.
    pub length: Option<u16>,
    /// First byte, where it is not what it should be.
    pub version: Option<u8>,
}

impl V4 {
    /// A whole packet without options.
    pub fn new(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8) -> Self {
        Self {
            source,
            destination,
            protocol,
            options: Vec::new(),
            fragment: 0x4000,
            length: None,
            version: None,
        }
    }

    /// The packet's bytes.
    pub fn bytes(&self, payload: &[u8]) -> Vec<u8> {
        let header = 20 + self.options.len();
        let length = self.length.unwrap_or((header + payload.len()) as u16);
        let version = self.version.unwrap_or(0x40 | (header / 4) as u8);
        let mut packet = vec![version, 0];
        packet.extend(length.to_be_bytes());
        packet.extend([0x12, 0x34]);
        packet.extend(self.fragment.to_be_bytes());
        packet.extend([64, self.protocol, 0, 0]);
        packet.extend(self.source.octets());
        packet.extend(self.destination.octets());
        packet.extend(&self.options);
        packet.extend(payload);
        packet
    }

    /// The same in an Ethernet frame.
    pub fn frame(&self, payload: &[u8]) -> Vec<u8> {
        ethernet(0x0800, &self.bytes(payload))
    }
}

/// An IPv6 packet in the making.
#[derive(Clone, Debug)]
pub struct V6 {
    /// From.
    pub source: Ipv6Addr,
    /// To.
    pub destination: Ipv6Addr,
    /// Of the payload, behind the extension headers.
    pub protocol: u8,
    /// Kind of each extension header, and its bytes but for the first.
    pub extensions: Vec<(u8, Vec<u8>)>,
    /// Payload length, where it is not what it should be.
    pub length: Option<u16>,
}

impl V6 {
    /// A packet without extension headers.
    pub fn new(source: Ipv6Addr, destination: Ipv6Addr, protocol: u8) -> Self {
        Self {
            source,
            destination,
            protocol,
            extensions: Vec::new(),
            length: None,
        }
    }

    /// One extension header more, of `8 * (units + 1)` bytes (AH: `4 * (units + 2)`).
    pub fn extension(mut self, kind: u8, units: u8) -> Self {
        let size = if kind == 51 {
            4 * (usize::from(units) + 2)
        } else {
            8 * (usize::from(units) + 1)
        };
        let mut bytes = vec![0; size - 1];
        bytes[0] = units;
        // Routing headers of type 2, as mobile nodes get them.
        bytes[1] = if kind == 43 { 2 } else { 0 };
        self.extensions.push((kind, bytes));
        self
    }

    /// A fragment header more: offset in units of 8 bytes, and whether more follow.
    pub fn fragment(mut self, offset: u16, more: bool) -> Self {
        let [high, low] = (offset << 3 | u16::from(more)).to_be_bytes();
        self.extensions.push((44, vec![0, high, low, 0, 0, 0, 9]));
        self
    }

    /// The packet's bytes.
    pub fn bytes(&self, payload: &[u8]) -> Vec<u8> {
        let mut rest = Vec::new();
        for (at, (_, bytes)) in self.extensions.iter().enumerate() {
            rest.push(
                self.extensions
                    .get(at + 1)
                    .map_or(self.protocol, |next| next.0),
            );
            rest.extend(bytes);
        }
        rest.extend(payload);
        let mut packet = vec![0x60, 0, 0, 0];
        packet.extend(self.length.unwrap_or(rest.len() as u16).to_be_bytes());
        packet.push(
            self.extensions
                .first()
                .map_or(self.protocol, |first| first.0),
        );
        packet.push(64);
        packet.extend(self.source.octets());
        packet.extend(self.destination.octets());
        packet.extend(rest);
        packet
    }

    /// The same in an Ethernet frame.
    pub fn frame(&self, payload: &[u8]) -> Vec<u8> {
        ethernet(0x86dd, &self.bytes(payload))
    }
}

/// A TCP segment to a port.
pub fn tcp(port: u16, flags: u8) -> Vec<u8> {
    tcp_with(port, flags, 0x50, &[])
}

/// A TCP segment with a data offset byte and what follows the first 20 bytes.
pub fn tcp_with(port: u16, flags: u8, offset: u8, rest: &[u8]) -> Vec<u8> {
    let mut segment = 40_000u16.to_be_bytes().to_vec();
    segment.extend(port.to_be_bytes());
    segment.extend([0, 0, 0, 1, 0, 0, 0, 2, offset, flags, 0x20, 0, 0, 0, 0, 0]);
    segment.extend(rest);
    segment
}

/// A UDP datagram to a port.
pub fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    udp_with(port, (8 + payload.len()) as u16, payload)
}

/// A UDP datagram with a length field.
pub fn udp_with(port: u16, length: u16, payload: &[u8]) -> Vec<u8> {
    let mut datagram = 40_000u16.to_be_bytes().to_vec();
    datagram.extend(port.to_be_bytes());
    datagram.extend(length.to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(payload);
    datagram
}

/// A QUIC packet of `size` bytes: first byte and version.
pub fn quic(first: u8, version: u32, size: usize) -> Vec<u8> {
    let mut packet = vec![first];
    packet.extend(version.to_be_bytes());
    packet.resize(size, 0);
    packet
}

/// A 0-RTT or Handshake packet of QUIC, whose first byte and version these are, with connection
/// ids of these lengths and so many bytes behind its length, which is written in 1, 2 or 4 bytes.
pub fn quic_long(first: u8, version: u32, ids: [u8; 2], length_bytes: u8, rest: usize) -> Vec<u8> {
    let mut packet = quic(first, version, 5);
    for size in ids {
        packet.push(size);
        packet.resize(packet.len() + usize::from(size), 0x11);
    }
    match length_bytes {
        1 => packet.push(rest as u8),
        2 => packet.extend((rest as u16 | 0x4000).to_be_bytes()),
        _ => packet.extend((rest as u32 | 0x8000_0000).to_be_bytes()),
    }
    packet.resize(packet.len() + rest, 0xff);
    packet
}

/// An IP packet from one address to another of its family, in a frame.
pub fn ip(source: IpAddr, destination: IpAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            V4::new(source, destination, protocol).frame(payload)
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            V6::new(source, destination, protocol).frame(payload)
        }
        _ => panic!("one family a packet"),
    }
}
