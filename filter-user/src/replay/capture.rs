//! A capture, packet by packet, whichever of the two formats it has.

use super::link::{Direction, Frame, LinkType};
use super::resolution::Resolution;
use super::window::Window;
use super::{CaptureError, classic, pcapng};
use std::io::Read;

/// How a capture is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One header, then packets.
    Pcap,
    /// Blocks (draft-ietf-opsawg-pcapng).
    Pcapng,
}

impl Format {
    /// As its tools call it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Pcap => "pcap",
            Self::Pcapng => "pcapng",
        }
    }
}

/// What a packet was captured at.
#[derive(Clone, Debug)]
pub(super) struct Interface {
    pub name: Option<String>,
    pub link: LinkType,
    pub clock: Resolution,
}

/// A packet of a capture.
#[derive(Debug)]
pub struct Captured<'a> {
    /// Unix time in nanoseconds; simple packet blocks have none.
    pub at_ns: Option<u64>,
    /// What was captured of it, from the link's header on.
    pub data: &'a [u8],
    /// How long it was, in bytes; never less than `data`.
    pub wire_bytes: u32,
    /// Counts the interfaces of all sections, from 0.
    pub interface: usize,
    /// That interface's name, where the capture says.
    pub device: Option<&'a str>,
    pub(super) link: LinkType,
    /// What its block says; the link's header may say more.
    pub(super) direction: Direction,
}

impl<'a> Captured<'a> {
    /// Whether a part of it was not captured.
    pub const fn is_cut(&self) -> bool {
        (self.data.len() as u64) < self.wire_bytes as u64
    }

    /// The packet as an Ethernet frame, and which way it went. `None` if less than its link's
    /// header was captured.
    pub fn frame(&self) -> Option<(Frame<'a>, Direction)> {
        let (frame, direction) = self.link.frame(self.data, self.wire_bytes)?;
        let said = match direction {
            Direction::Unknown => self.direction,
            direction => direction,
        };
        Some((frame, said))
    }
}

/// A capture that is being read.
pub struct Capture<R> {
    window: Window<R>,
    kind: Kind,
    /// Bytes of the window that the last packet took.
    taken: usize,
    cut_at: Option<u64>,
}

enum Kind {
    Classic(classic::Header),
    Blocks(pcapng::Section),
}

impl<R: Read> Capture<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// It is no capture, or of a link type that is not supported.
    pub fn new(reader: R) -> Result<Self, CaptureError> {
        let mut window = Window::new(reader);
        let bytes = window.fill(classic::HEADER)?;
        let Some(magic) = bytes.first_chunk::<4>() else {
            let bytes = bytes.len() as u64;
            return Err(CaptureError::NoHeader { bytes });
        };
        let kind = if pcapng::begins(*magic) {
            Kind::Blocks(pcapng::Section::default())
        } else {
            Kind::Classic(classic::Header::read(&mut window)?)
        };
        Ok(Self {
            window,
            kind,
            taken: 0,
            cut_at: None,
        })
    }

    /// How it is written.
    pub const fn format(&self) -> Format {
        match self.kind {
            Kind::Classic(_) => Format::Pcap,
            Kind::Blocks(_) => Format::Pcapng,
        }
    }

    /// The byte at which the last record begins, if the capture ends within it, as after a full
    /// disk or a killed tcpdump. Known at the end.
    pub const fn cut_at(&self) -> Option<u64> {
        self.cut_at
    }

    /// The next packet; `None` at the end.
    ///
    /// # Errors
    /// What comes next makes no sense, or cannot be read.
    #[expect(
        clippy::should_implement_trait,
        reason = "a packet borrows the buffer: no Iterator can say so"
    )]
    pub fn next(&mut self) -> Result<Option<Captured<'_>>, CaptureError> {
        self.window.consume(std::mem::take(&mut self.taken));
        let end = match &mut self.kind {
            Kind::Classic(header) => header.find(&mut self.window)?,
            Kind::Blocks(section) => section.find(&mut self.window)?,
        };
        match end {
            Found::Record(bytes) => self.taken = bytes,
            Found::End => return Ok(None),
            Found::Cut(offset) => {
                self.cut_at = Some(offset);
                return Ok(None);
            }
        }
        let record = self.window.held();
        let record = record.get(..self.taken).unwrap_or_default();
        let offset = self.window.offset();
        match &self.kind {
            Kind::Classic(header) => header.packet(record, offset),
            Kind::Blocks(section) => section.packet(record, offset),
        }
        .map(Some)
    }
}

/// What stands next in a capture.
pub(super) enum Found {
    /// A packet's record of so many bytes, all of them in the window.
    Record(usize),
    /// Nothing.
    End,
    /// A record that is not all there; it begins at this byte.
    Cut(u64),
}
