//! `replay`: a capture through a policy, without a kernel, by the clock of the capture.
//!
//! Must never trust a length, a number or a time of the capture, hold more of it than one record,
//! or judge anything itself: it asks the `decide` that the kernel runs.

#![forbid(unsafe_code)]

mod capture;
mod classic;
mod error;
mod link;
mod pcapng;
mod resolution;
mod window;

pub use capture::{Capture, Captured, Format};
pub use error::CaptureError;
pub use link::{Direction, Frame, LinkType};

/// Reads a whole capture and its frames' headers, and judges nothing: what hostile bytes may reach.
/// Returns the number of packets.
///
/// # Errors
/// As [`Capture::next`].
pub fn read_bytes(bytes: &[u8]) -> Result<u64, CaptureError> {
    let mut capture = Capture::new(bytes)?;
    let mut packets = 0;
    while let Some(captured) = capture.next()? {
        packets += 1;
        let Some((frame, _)) = captured.frame() else {
            continue;
        };
        filter_ebpf::parse::parse(&frame);
        let mut event = filter_common::event::Event::default();
        filter_ebpf::parse::describe::describe(&frame, &mut event);
    }
    Ok(packets)
}

#[cfg(test)]
mod tests;
