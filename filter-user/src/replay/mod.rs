//! `replay`: a capture through a policy, without a kernel, by the clock of the capture.
//!
//! Must never trust a length, a number or a time of the capture, hold more of it than one record,
//! or judge anything itself: it asks the `decide` that the kernel runs.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod capture;
mod changes;
mod classic;
mod clock;
mod error;
mod judge;
mod link;
mod pcapng;
mod report;
mod resolution;
mod run;
mod sources;
mod text;
mod window;

pub use capture::{Capture, Captured, Format};
pub use error::{CaptureError, ReplayError};
pub use judge::{Judge, JudgeError, Verdict};
pub use link::{Direction, Frame, LinkType};
pub use report::{About, Report};
pub use run::Replay;

use filter_common::event::Event;
use filter_ebpf::parse::describe::describe;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

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
        if let Some((frame, _)) = captured.frame() {
            filter_ebpf::parse::parse(&frame);
            ends(&frame);
        }
    }
    Ok(packets)
}

/// Source and destination of a frame, as far as they can be read.
fn ends(frame: &Frame<'_>) -> Option<(IpAddr, IpAddr)> {
    let mut event = Event::default();
    describe(frame, &mut event);
    let address = |[upper, lower]: [u64; 2]| match event.ip_version {
        4 => Some(IpAddr::V4(Ipv4Addr::from_bits(lower as u32))),
        6 => {
            let bits = u128::from(upper) << 64 | u128::from(lower);
            Some(IpAddr::V6(Ipv6Addr::from_bits(bits)))
        }
        _ => None,
    };
    Some((address(event.source)?, address(event.destination)?))
}

#[cfg(test)]
mod tests;
