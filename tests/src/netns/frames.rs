//! Frames as the client would send them, each with a mark at its end that tells it from all others.

use std::net::{IpAddr, SocketAddr};

use super::Wire;

/// TCP flag.
pub const SYN: u8 = 0x02;
/// TCP flag.
pub const ACK: u8 = 0x10;

const MAGIC: [u8; 8] = *b"\xedgefilt\x01";
const MARK: usize = MAGIC.len() + 4 + 8;

/// Which frame it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Which of the flows of a test.
    pub flow: u32,
    /// Which of its frames.
    pub number: u64,
}

impl Mark {
    /// The mark of a received frame; `None` for traffic of the kernel's own.
    pub fn of(frame: &[u8]) -> Option<Self> {
        let at = frame.len().checked_sub(MARK)?;
        let rest = frame[at..].strip_prefix(&MAGIC)?;
        let (flow, number) = rest.split_first_chunk()?;
        Some(Self {
            flow: u32::from_be_bytes(*flow),
            number: u64::from_be_bytes(number.try_into().ok()?),
        })
    }

    fn bytes(self) -> Vec<u8> {
        [
            &MAGIC[..],
            &self.flow.to_be_bytes(),
            &self.number.to_be_bytes(),
        ]
        .concat()
    }
}

/// Where frames of a flow come from and go to.
#[derive(Clone, Debug)]
pub struct Flow {
    /// The wire, for the hardware addresses.
    pub wire: Wire,
    /// VLAN tags, outermost first: protocol and VID.
    pub tags: Vec<(u16, u16)>,
    /// From; need not be an address that anybody has.
    pub source: SocketAddr,
    /// To.
    pub destination: SocketAddr,
}

impl Flow {
    /// An untagged flow over the first wire.
    pub fn new(source: (IpAddr, u16), destination: (IpAddr, u16)) -> Self {
        Self {
            wire: Wire(0),
            tags: Vec::new(),
            source: source.into(),
            destination: destination.into(),
        }
    }

    /// The same with VLAN tags.
    pub fn tagged(mut self, tags: &[(u16, u16)]) -> Self {
        self.tags = tags.to_vec();
        self
    }

    /// A TCP segment. Its checksum is wrong on purpose: XDP does not look at it, and the host's own
    /// TCP does not answer it.
    pub fn tcp(&self, flags: u8, mark: Mark) -> Vec<u8> {
        let mut segment = Vec::from(self.source.port().to_be_bytes());
        segment.extend(self.destination.port().to_be_bytes());
        segment.extend([0; 8]);
        segment.extend([5 << 4, flags, 0xff, 0xff, 0, 0, 0, 0]);
        segment.extend(mark.bytes());
        self.frame(6, &segment)
    }

    /// A UDP datagram; the same about its checksum.
    pub fn udp(&self, mark: Mark) -> Vec<u8> {
        let length = (8 + MARK) as u16;
        let mut datagram = Vec::from(self.source.port().to_be_bytes());
        datagram.extend(self.destination.port().to_be_bytes());
        datagram.extend(length.to_be_bytes());
        datagram.extend([0xba, 0xad]);
        datagram.extend(mark.bytes());
        self.frame(17, &datagram)
    }

    fn frame(&self, protocol: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = [self.wire.server_mac(), self.wire.client_mac()].concat();
        for (ethertype, vid) in &self.tags {
            frame.extend(ethertype.to_be_bytes());
            frame.extend(vid.to_be_bytes());
        }
        let length = payload.len() as u16;
        match (self.source.ip(), self.destination.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let mut header = vec![0x45, 0];
                header.extend((20 + length).to_be_bytes());
                header.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
                header.extend(source.octets());
                header.extend(destination.octets());
                let sum = checksum(&header).to_be_bytes();
                header[10..12].copy_from_slice(&sum);
                frame.extend([0x08, 0x00]);
                frame.extend(header);
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
                frame.extend(length.to_be_bytes());
                frame.extend([protocol, 64]);
                frame.extend(source.octets());
                frame.extend(destination.octets());
            }
            _ => panic!("both ends must be of one family"),
        }
        frame.extend(payload);
        frame
    }
}

/// The internet checksum (RFC 1071).
pub fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
