//! Captures byte by byte, so that any field can be wrong, and what is read and judged of them.

mod formats;
mod hostile;
mod judged;
mod links;

use super::Capture;
use etherparse::PacketBuilder;
use std::net::{IpAddr, Ipv4Addr};

/// The bytes of a capture in one byte order.
struct Writer {
    bytes: Vec<u8>,
    is_big_endian: bool,
}

impl Writer {
    fn new(is_big_endian: bool) -> Self {
        Self {
            bytes: Vec::new(),
            is_big_endian,
        }
    }

    fn u16(&mut self, number: u16) -> &mut Self {
        self.bytes.extend(if self.is_big_endian {
            number.to_be_bytes()
        } else {
            number.to_le_bytes()
        });
        self
    }

    fn u32(&mut self, number: u32) -> &mut Self {
        self.bytes.extend(if self.is_big_endian {
            number.to_be_bytes()
        } else {
            number.to_le_bytes()
        });
        self
    }

    fn padded(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend(bytes);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }

    /// A pcap header.
    fn pcap(&mut self, magic: u32, link: u32) -> &mut Self {
        self.u32(magic).u16(2).u16(4).u32(0).u32(0);
        self.u32(262_144).u32(link)
    }

    /// A pcap record of a packet that was `wire` bytes long.
    fn record(&mut self, seconds: u32, fraction: u32, packet: &[u8], wire: u32) -> &mut Self {
        self.u32(seconds).u32(fraction);
        self.u32(packet.len() as u32).u32(wire);
        self.bytes.extend(packet);
        self
    }

    /// A pcapng block with what `body` writes.
    fn block(&mut self, kind: u32, body: impl FnOnce(&mut Self)) -> &mut Self {
        let mut inner = Self::new(self.is_big_endian);
        body(&mut inner);
        let length = inner.bytes.len() as u32 + 12;
        self.u32(kind).u32(length).padded(&inner.bytes).u32(length)
    }

    fn section(&mut self) -> &mut Self {
        self.block(0x0a0d_0d0a, |body| {
            body.u32(0x1a2b_3c4d).u16(1).u16(0);
            body.u32(u32::MAX).u32(u32::MAX);
        })
    }

    fn interface(&mut self, link: u16, options: &[(u16, &[u8])]) -> &mut Self {
        self.block(1, |body| {
            body.u16(link).u16(0).u32(0).options(options);
        })
    }

    fn options(&mut self, options: &[(u16, &[u8])]) -> &mut Self {
        for (code, value) in options {
            self.u16(*code).u16(value.len() as u16).padded(value);
        }
        if !options.is_empty() {
            self.u32(0);
        }
        self
    }

    fn enhanced(
        &mut self,
        interface: u32,
        ticks: u64,
        packet: &[u8],
        options: &[(u16, &[u8])],
    ) -> &mut Self {
        self.block(6, |body| {
            body.u32(interface);
            body.u32((ticks >> 32) as u32).u32(ticks as u32);
            body.u32(packet.len() as u32).u32(packet.len() as u32);
            body.padded(packet).options(options);
        })
    }
}

/// Time in nanoseconds, and data.
type Packet = (Option<u64>, Vec<u8>);

/// Every packet, and where the capture is cut; panics where there is an error.
fn packets(bytes: &[u8]) -> (Vec<Packet>, Option<u64>) {
    let mut capture = Capture::new(bytes).expect("a capture");
    let mut found = Vec::new();
    while let Some(captured) = capture.next().expect("a packet") {
        found.push((captured.at_ns, captured.data.to_vec()));
    }
    (found, capture.cut_at())
}

/// A SYN from one address to another, as an Ethernet frame.
fn syn(source: [u8; 4], destination: [u8; 4], port: u16) -> Vec<u8> {
    let ethernet = PacketBuilder::ethernet2([2; 6], [4; 6]);
    let packet = ethernet
        .ipv4(source, destination, 64)
        .tcp(50_000, port, 1, 64_000);
    let mut frame = Vec::new();
    packet.syn().write(&mut frame, &[]).expect("room in memory");
    frame
}

fn v4(last: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, last).into()
}
