//! pcap (draft-ietf-opsawg-pcap): one header, then records. Both byte orders, microseconds and
//! nanoseconds, and the longer records of Kuznetzov's libpcap.

use super::CaptureError;
use super::capture::{Captured, Found, Interface};
use super::link::{Direction, LinkType};
use super::resolution::Resolution;
use super::window::{MOST_BYTES, Window};
use pcap_parser::{
    LegacyPcapBlock, parse_pcap_frame, parse_pcap_frame_be, parse_pcap_frame_modified,
    parse_pcap_header,
};
use std::io::Read;

/// Bytes of the file's header.
pub(super) const HEADER: usize = 24;
/// Place of the link type in it.
const LINK_TYPE: u64 = 20;
/// Its lower half; the upper one says how long the frame check sequence is, which lies behind
/// the IP length and is not judged.
const LINK_TYPE_BITS: u32 = 0xffff;

pub(super) struct Header {
    is_big_endian: bool,
    is_modified: bool,
    interface: Interface,
    nanoseconds_in_fraction: u64,
}

impl Header {
    pub fn read<R: Read>(window: &mut Window<R>) -> Result<Self, CaptureError> {
        let bytes = window.fill(HEADER)?;
        let header = match parse_pcap_header(bytes) {
            Ok((_, header)) => header,
            Err(pcap_parser::nom::Err::Incomplete(_)) => {
                let bytes = bytes.len() as u64;
                return Err(CaptureError::NoHeader { bytes });
            }
            Err(_) => {
                let magic = bytes.first_chunk().copied().unwrap_or_default();
                return Err(CaptureError::NotACapture { magic });
            }
        };
        let number = header.network.0 as u32 & LINK_TYPE_BITS;
        let link = LinkType::from_number(number).ok_or(CaptureError::LinkType {
            number,
            offset: LINK_TYPE,
        })?;
        window.consume(HEADER);
        let is_nanosecond = header.is_nanosecond_precision();
        let clock = if is_nanosecond {
            Resolution::NANOSECONDS
        } else {
            Resolution::MICROSECONDS
        };
        Ok(Self {
            is_big_endian: header.is_bigendian(),
            is_modified: header.is_modified_format(),
            nanoseconds_in_fraction: if is_nanosecond { 1 } else { 1_000 },
            interface: Interface {
                name: None,
                link,
                clock,
            },
        })
    }

    const fn record_header(&self) -> usize {
        if self.is_modified { 24 } else { 16 }
    }

    pub fn find<R: Read>(&self, window: &mut Window<R>) -> Result<Found, CaptureError> {
        let offset = window.offset();
        let header = self.record_header();
        let held = window.fill(header)?;
        // Seconds, their fraction, the captured length, and more.
        let Some(([_, _, captured, ..], _)) = held.get(..header).map(<[u8]>::as_chunks) else {
            return Ok(if held.is_empty() {
                Found::End
            } else {
                Found::Cut(offset)
            });
        };
        let captured = if self.is_big_endian {
            u32::from_be_bytes(*captured)
        } else {
            u32::from_le_bytes(*captured)
        };
        let bytes = header as u64 + u64::from(captured);
        if bytes > MOST_BYTES {
            return Err(CaptureError::TooLong { offset, bytes });
        }
        let bytes = bytes as usize;
        Ok(if window.fill(bytes)?.len() < bytes {
            Found::Cut(offset)
        } else {
            Found::Record(bytes)
        })
    }

    pub fn packet<'a>(
        &'a self,
        record: &'a [u8],
        offset: u64,
    ) -> Result<Captured<'a>, CaptureError> {
        let parse = match (self.is_modified, self.is_big_endian) {
            (true, _) => parse_pcap_frame_modified,
            (false, true) => parse_pcap_frame_be,
            (false, false) => parse_pcap_frame,
        };
        let (_, packet) = parse(record).map_err(|_| CaptureError::Damaged {
            offset,
            what: "its lengths contradict each other",
        })?;
        let LegacyPcapBlock {
            ts_sec,
            ts_usec,
            origlen,
            data,
            ..
        } = packet;
        let ns =
            u64::from(ts_sec) * 1_000_000_000 + u64::from(ts_usec) * self.nanoseconds_in_fraction;
        Ok(Captured {
            at_ns: Some(ns),
            wire_bytes: origlen.max(data.len() as u32),
            data,
            interface: 0,
            device: None,
            link: self.interface.link,
            direction: Direction::Unknown,
        })
    }
}
