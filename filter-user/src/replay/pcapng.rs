//! pcapng (draft-ietf-opsawg-pcapng): blocks, in sections of their own byte order, with
//! interfaces of their own link type and clock.
//!
//! Blocks that hold no packet and no interface are skipped unread, however long they are.

use super::CaptureError;
use super::capture::{Captured, Found, Interface};
use super::link::{Direction, LinkType};
use super::resolution::Resolution;
use super::window::{MOST_BYTES, Window};
use pcap_parser::pcapng::{
    parse_enhancedpacketblock_be, parse_enhancedpacketblock_le, parse_interfacedescriptionblock_be,
    parse_interfacedescriptionblock_le, parse_sectionheaderblock, parse_simplepacketblock_be,
    parse_simplepacketblock_le,
};
use pcap_parser::{OptionCode, PcapNGOption};
use std::io::Read;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
/// Type, and both lengths.
const LEAST_BLOCK: u32 = 12;
/// Type, length, and byte-order magic.
const START: usize = 12;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
/// `epb_flags` (s. 4.3.1).
const FLAGS: OptionCode = OptionCode(2);
/// Interfaces of a section: more than any host has, and little memory.
const MOST_INTERFACES: usize = 65_536;
/// Kernel names have 15 bytes, those of Windows some 60.
const MOST_NAME_BYTES: usize = 255;

pub(super) const fn begins(magic: [u8; 4]) -> bool {
    u32::from_be_bytes(magic) == SECTION
}

/// The section that is being read.
#[derive(Default)]
pub(super) struct Section {
    is_big_endian: bool,
    interfaces: Vec<Interface>,
    /// Interfaces of the sections before.
    before: usize,
}

impl Section {
    fn number(&self, bytes: &[u8]) -> u32 {
        let bytes = bytes.first_chunk().copied().unwrap_or_default();
        if self.is_big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        }
    }

    pub fn find<R: Read>(&mut self, window: &mut Window<R>) -> Result<Found, CaptureError> {
        loop {
            let offset = window.offset();
            let held = window.fill(START)?;
            let ([kind, bytes, order, ..], _) = held.as_chunks::<4>() else {
                return Ok(if held.is_empty() {
                    Found::End
                } else {
                    Found::Cut(offset)
                });
            };
            let damaged = |what| CaptureError::Damaged { offset, what };
            let is_section = begins(*kind);
            if is_section {
                self.is_big_endian = match u32::from_be_bytes(*order) {
                    BYTE_ORDER => true,
                    order if order.swap_bytes() == BYTE_ORDER => false,
                    _ => return Err(damaged("a section of no byte order")),
                };
            }
            let (kind, bytes) = (self.number(kind), self.number(bytes));
            if bytes < LEAST_BLOCK || bytes % 4 != 0 {
                return Err(damaged("its length is no block's"));
            }
            if !is_section && !matches!(kind, INTERFACE | SIMPLE_PACKET | ENHANCED_PACKET) {
                if kind == OBSOLETE_PACKET {
                    return Err(CaptureError::Obsolete { offset });
                }
                if !window.skip(bytes.into())? {
                    return Ok(Found::Cut(offset));
                }
                continue;
            }
            if u64::from(bytes) > MOST_BYTES {
                let bytes = bytes.into();
                return Err(CaptureError::TooLong { offset, bytes });
            }
            let bytes = bytes as usize;
            let Some(block) = window.fill(bytes)?.get(..bytes) else {
                return Ok(Found::Cut(offset));
            };
            let again = block.last_chunk::<4>().map(|last| self.number(last));
            if again.map(|again| again as usize) != Some(bytes) {
                return Err(damaged("its two lengths are not the same"));
            }
            match kind {
                SIMPLE_PACKET | ENHANCED_PACKET => return Ok(Found::Record(bytes)),
                INTERFACE => self.describe(block, offset)?,
                _ => {
                    parse_sectionheaderblock(block).map_err(|_| damaged("no section's header"))?;
                    self.before += self.interfaces.len();
                    self.interfaces.clear();
                }
            }
            window.consume(bytes);
        }
    }

    fn describe(&mut self, block: &[u8], offset: u64) -> Result<(), CaptureError> {
        let damaged = |what| CaptureError::Damaged { offset, what };
        let parse = if self.is_big_endian {
            parse_interfacedescriptionblock_be
        } else {
            parse_interfacedescriptionblock_le
        };
        let (_, found) = parse(block).map_err(|_| damaged("no interface's description"))?;
        if self.interfaces.len() == MOST_INTERFACES {
            return Err(damaged("more interfaces than a host has"));
        }
        let number = found.linktype.0 as u32;
        let link =
            LinkType::from_number(number).ok_or(CaptureError::LinkType { number, offset })?;
        let option = |code| self.option::<8>(&found.options, code);
        let offset_seconds = option(OptionCode::IfTsoffset).map_or(0, |bytes| {
            if self.is_big_endian {
                i64::from_be_bytes(bytes)
            } else {
                i64::from_le_bytes(bytes)
            }
        });
        let tsresol = self.option::<1>(&found.options, OptionCode::IfTsresol);
        let clock = Resolution::new(tsresol.map_or(6, |[power]| power), offset_seconds)
            .ok_or_else(|| damaged("an interface whose clock nobody has"))?;
        let name = match found.if_name() {
            Some(Ok(name)) if name.len() <= MOST_NAME_BYTES => {
                Some(name.trim_end_matches('\0').to_owned())
            }
            _ => None,
        };
        self.interfaces.push(Interface { name, link, clock });
        Ok(())
    }

    /// The value of an option of exactly this length.
    fn option<const N: usize>(
        &self,
        options: &[PcapNGOption<'_>],
        code: OptionCode,
    ) -> Option<[u8; N]> {
        let option = options.iter().find(|option| option.code == code)?;
        option.as_bytes().ok()?.try_into().ok()
    }

    pub fn packet<'a>(
        &'a self,
        block: &'a [u8],
        offset: u64,
    ) -> Result<Captured<'a>, CaptureError> {
        if self.number(block) == SIMPLE_PACKET {
            self.simple(block, offset)
        } else {
            self.enhanced(block, offset)
        }
    }

    fn enhanced<'a>(&'a self, block: &'a [u8], offset: u64) -> Result<Captured<'a>, CaptureError> {
        let damaged = |what| CaptureError::Damaged { offset, what };
        let parse = if self.is_big_endian {
            parse_enhancedpacketblock_be
        } else {
            parse_enhancedpacketblock_le
        };
        let (_, packet) = parse(block).map_err(|_| damaged("no packet's block"))?;
        let interface = self.interface(packet.if_id, offset)?;
        let ticks = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
        // The parser's data has the padding too.
        let data = packet.data.get(..packet.caplen as usize);
        let data = data.ok_or_else(|| damaged("a packet longer than its block"))?;
        let flags = self.option::<4>(&packet.options, FLAGS);
        let direction = match flags.map(|bytes| self.number(&bytes) & 3) {
            Some(1) => Direction::In,
            Some(2) => Direction::Out,
            _ => Direction::Unknown,
        };
        Ok(Captured {
            at_ns: Some(interface.clock.unix_ns(ticks)),
            data,
            wire_bytes: packet.origlen.max(packet.caplen),
            interface: self.before + packet.if_id as usize,
            device: interface.name.as_deref(),
            link: interface.link,
            direction,
        })
    }

    fn simple<'a>(&'a self, block: &'a [u8], offset: u64) -> Result<Captured<'a>, CaptureError> {
        let parse = if self.is_big_endian {
            parse_simplepacketblock_be
        } else {
            parse_simplepacketblock_le
        };
        let (_, packet) = parse(block).map_err(|_| CaptureError::Damaged {
            offset,
            what: "no packet's block",
        })?;
        let interface = self.interface(0, offset)?;
        let data = packet.data.get(..packet.origlen as usize);
        Ok(Captured {
            at_ns: None,
            data: data.unwrap_or(packet.data),
            wire_bytes: packet.origlen,
            interface: self.before,
            device: interface.name.as_deref(),
            link: interface.link,
            direction: Direction::Unknown,
        })
    }

    fn interface(&self, number: u32, offset: u64) -> Result<&Interface, CaptureError> {
        let interface = self.interfaces.get(number as usize);
        interface.ok_or(CaptureError::Damaged {
            offset,
            what: "a packet of an interface that was not described",
        })
    }
}
