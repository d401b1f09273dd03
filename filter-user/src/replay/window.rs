//! The part of a capture that is looked at: a buffer over a reader, at a known byte.
//!
//! Must never hold more than one record and what was read along with it.

use super::CaptureError;
use std::io::{ErrorKind, Read};

/// No record is longer. The largest snapshot length that libpcap writes is 262,144 (for USB and
/// D-Bus 128 MiB, which are not judged here); blocks of names and secrets are skipped, not held.
pub(super) const MOST_BYTES: u64 = 16 << 20;
/// What is read at once.
const CHUNK: usize = 256 << 10;

pub(super) struct Window<R> {
    reader: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Of `start`, in the capture.
    offset: u64,
}

impl<R: Read> Window<R> {
    pub fn new(reader: R) -> Self {
        Self {
            reader,
            buffer: vec![0; CHUNK],
            start: 0,
            end: 0,
            offset: 0,
        }
    }

    /// Bytes before the window.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// What has been filled and not consumed.
    pub fn held(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// At least `wanted` bytes, or all that are left.
    pub fn fill(&mut self, wanted: usize) -> Result<&[u8], CaptureError> {
        if self.end - self.start < wanted {
            self.read(wanted)?;
        }
        Ok(self.held())
    }

    fn read(&mut self, wanted: usize) -> Result<(), CaptureError> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        while self.end < wanted {
            // Grown by what has come, not by what a length claims.
            if self.end == self.buffer.len() {
                self.buffer.resize(2 * self.buffer.len(), 0);
            }
            let free = self.buffer.get_mut(self.end..).unwrap_or_default();
            match self.reader.read(free) {
                Ok(0) => break,
                Ok(bytes) => self.end += bytes,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(source) => {
                    let offset = self.offset + self.end as u64;
                    return Err(CaptureError::Read { offset, source });
                }
            }
        }
        Ok(())
    }

    /// Goes on by as many of the bytes that are held.
    pub fn consume(&mut self, bytes: usize) {
        let bytes = bytes.min(self.end - self.start);
        self.start += bytes;
        self.offset += bytes as u64;
    }

    /// Goes on by as many bytes, held or not; whether there were so many.
    pub fn skip(&mut self, mut bytes: u64) -> Result<bool, CaptureError> {
        while bytes > 0 {
            let held = self.fill(1)?.len() as u64;
            if held == 0 {
                return Ok(false);
            }
            let step = held.min(bytes);
            self.consume(step as usize);
            bytes -= step;
        }
        Ok(true)
    }
}
