//! The oracle's own parser: slices that get shorter, one rule of the contract after the other.

use std::net::IpAddr;

pub(super) enum Carried {
    NotIp,
    Malformed,
    BadFragment,
    LaterFragment(IpAddr),
    Icmp,
    Other(u8),
    Datagram(Datagram),
}

/// TCP or UDP.
pub(super) struct Datagram {
    pub source: IpAddr,
    pub destination: IpAddr,
    pub is_tcp: bool,
    pub port: u16,
    pub source_port: u16,
    /// SYN without ACK.
    pub is_syn: bool,
    /// Of UDP.
    pub payload_length: usize,
    /// A QUIC long header that opens a connection.
    pub quic_initial: bool,
    /// A first fragment that ends before QUIC's header does.
    pub quic_hidden: bool,
}

pub(super) fn parse(frame: &[u8]) -> Carried {
    if frame.len() < 14 {
        return Carried::Malformed;
    }
    let mut rest = &frame[12..];
    let mut tags = 0;
    loop {
        match rest {
            [0x81, 0x00, more @ ..] | [0x88, 0xa8, more @ ..] => {
                tags += 1;
                if tags > 2 || more.len() < 4 {
                    return Carried::Malformed;
                }
                rest = &more[2..];
            }
            [0x08, 0x00, packet @ ..] => return v4(packet).unwrap_or(Carried::Malformed),
            [0x86, 0xdd, packet @ ..] => return v6(packet).unwrap_or(Carried::Malformed),
            _ => return Carried::NotIp,
        }
    }
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    Some(usize::from(*bytes.get(at)?) << 8 | usize::from(*bytes.get(at + 1)?))
}

/// `None` is malformed.
fn v4(packet: &[u8]) -> Option<Carried> {
    if packet.len() < 20 || packet[0] / 16 != 4 {
        return None;
    }
    let header = usize::from(packet[0] % 16) * 4;
    let total = number(packet, 2)?;
    if header < 20 || total < header {
        return None;
    }
    let packet = packet.get(..total)?;
    let address = |at: usize| {
        let octets: [u8; 4] = packet[at..at + 4].try_into().expect("four bytes");
        IpAddr::from(octets)
    };
    let fragment = number(packet, 6)?;
    let offset = fragment % 0x2000;
    let more = fragment & 0x2000 != 0;
    let ends = (address(12), address(16));
    let mut payload = &packet[header..];
    if more {
        // A host takes whole units of eight of it.
        payload = &payload[..payload.len() / 8 * 8];
    }
    transport(ends, packet[9], payload, offset, more)
}

/// `None` is malformed.
fn v6(packet: &[u8]) -> Option<Carried> {
    if packet.len() < 40 || packet[0] / 16 != 6 {
        return None;
    }
    let length = number(packet, 4)?;
    let mut next = packet[6];
    if length == 0 && next != 59 {
        return None;
    }
    let packet = packet.get(..40 + length)?;
    let address = |at: usize| {
        let octets: [u8; 16] = packet[at..at + 16].try_into().expect("sixteen bytes");
        IpAddr::from(octets)
    };
    let ends = (address(8), address(24));
    let mut rest = &packet[40..];
    let mut fragment: Option<(usize, bool)> = None;
    let mut headers = 0;
    while [0, 43, 44, 51, 60, 135, 139, 140].contains(&next) {
        headers += 1;
        if headers > 8 || rest.len() < 8 {
            return None;
        }
        let size = match next {
            44 if fragment.is_some() => return None,
            44 => {
                let field = number(rest, 2)?;
                fragment = Some((field / 8, field % 2 == 1));
                8
            }
            43 if rest[2] == 0 => return None,
            51 => (usize::from(rest[1]) + 2) * 4,
            _ => (usize::from(rest[1]) + 1) * 8,
        };
        next = rest[0];
        if let Some((offset, more)) = fragment
            && offset > 0
        {
            return transport(ends, next, rest, offset, more);
        }
        rest = rest.get(size..)?;
    }
    let (offset, more) = fragment.unwrap_or((0, false));
    transport(ends, next, rest, offset, more)
}

/// `None` is malformed.
fn transport(
    (source, destination): (IpAddr, IpAddr),
    protocol: u8,
    payload: &[u8],
    offset: usize,
    more: bool,
) -> Option<Carried> {
    if offset > 0 {
        let rewrites = protocol == 6 && offset <= 2;
        return Some(if rewrites {
            Carried::BadFragment
        } else {
            Carried::LaterFragment(source)
        });
    }
    let short = if more {
        Some(Carried::BadFragment)
    } else {
        None
    };
    match (protocol, source.is_ipv4()) {
        (6, _) => {
            if payload.len() < 20 {
                return short;
            }
            let header = usize::from(payload[12] / 16) * 4;
            let flag = |bit: u8| payload[13] & bit != 0;
            let (fin, syn, rst, ack) = (flag(1), flag(2), flag(4), flag(16));
            let none = payload[13] & 0x3f == 0;
            if header < 20 || none || syn && fin || syn && rst || fin && !ack {
                return None;
            }
            if header > payload.len() {
                return short;
            }
            Some(Carried::Datagram(Datagram {
                source,
                destination,
                is_tcp: true,
                port: number(payload, 2)? as u16,
                source_port: number(payload, 0)? as u16,
                is_syn: syn && !ack,
                payload_length: 0,
                quic_initial: false,
                quic_hidden: false,
            }))
        }
        (17, v4) => {
            if payload.len() < 8 {
                return short;
            }
            let length = match number(payload, 4)? {
                0 if !v4 && more => 65_535,
                0 if !v4 => payload.len(),
                length => length,
            };
            if length < 8 || length > payload.len() && !more {
                return None;
            }
            let quic = &payload[8..];
            let quic = &quic[..quic.len().min(length - 8)];
            let quic_initial = match quic {
                [first, a, b, c, d, ..] if first & 0x80 != 0 => {
                    let kind = first / 16 % 4;
                    let behind = length - 8 >= 1200 && hides_an_initial(quic, length - 8);
                    match u32::from_be_bytes([*a, *b, *c, *d]) {
                        0 => false,
                        1 => kind == 0 || behind,
                        0x6b33_43cf => kind == 1 || behind,
                        _ => true,
                    }
                }
                _ => false,
            };
            Some(Carried::Datagram(Datagram {
                source,
                destination,
                is_tcp: false,
                port: number(payload, 2)? as u16,
                source_port: number(payload, 0)? as u16,
                is_syn: false,
                payload_length: length - 8,
                quic_initial,
                quic_hidden: quic.len() < 5 && length - 8 >= 5,
            }))
        }
        (1 | 2, true) | (58, false) => Some(Carried::Icmp),
        (other, _) => Some(Carried::Other(other)),
    }
}

/// Whether behind the QUIC packet at the start of a datagram there may be an Initial: what can be seen
/// of the datagram, and its length.
fn hides_an_initial(seen: &[u8], length: usize) -> bool {
    let mut start = 0;
    for _ in 0..4 {
        let Some(end) = seen.get(start..).and_then(end_of_long_packet) else {
            return true;
        };
        start += end;
        if start + 5 > length {
            return false;
        }
        let Some([first, version @ ..]) = seen.get(start..).and_then(<[u8]>::first_chunk::<5>)
        else {
            return true;
        };
        let kind = first / 16 % 4;
        match (first & 0x80, u32::from_be_bytes(*version)) {
            (0, _) | (_, 0) => return false,
            (_, 1) if kind != 0 => {}
            (_, 0x6b33_43cf) if kind != 1 => {}
            _ => return true,
        }
    }
    true
}

/// How long a QUIC packet with a length is, by its header.
fn end_of_long_packet(packet: &[u8]) -> Option<usize> {
    let mut rest = packet.get(5..)?;
    for _ in 0..2 {
        let (id, after) = rest.split_first()?;
        rest = after.get(usize::from(*id)..)?;
    }
    // Four bytes are there, whatever the length takes of them.
    let number = number(rest, 0)? << 16 | number(rest, 2)?;
    let (bytes, length) = match number >> 30 {
        0 => (1, number >> 24),
        1 => (2, number >> 16 & 0x3fff),
        2 => (4, number & 0x3fff_ffff),
        _ => return None,
    };
    (length < 0x4000).then_some(packet.len() - rest.len() + bytes + length)
}
