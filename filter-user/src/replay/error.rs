//! Why a capture cannot be read: what is wrong, at which byte, what to do.

use super::window::MOST_BYTES;
use std::io;

/// Why a capture cannot be read. Offsets are bytes from its beginning.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The file or the pipe fails.
    #[error("reading failed at byte {offset}")]
    Read {
        /// Where.
        offset: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is nothing, or less than a header.
    #[error("it ends at byte {bytes}, within its header: no packet was captured")]
    NoHeader {
        /// How long it is.
        bytes: u64,
    },
    /// It is something else.
    #[error(
        "neither pcap nor pcapng: it begins with {magic:02x?}; captures are made by \
         `tcpdump -w FILE` or dumpcap, and compressed ones are read as \
         `zcat FILE | edge-filter replay -`"
    )]
    NotACapture {
        /// Its first bytes.
        magic: [u8; 4],
    },
    /// A record or block that is longer than any packet.
    #[error(
        "the record at byte {offset} says that it has {bytes} bytes, more than the {} that any \
         has: the capture is damaged from there on",
        MOST_BYTES
    )]
    TooLong {
        /// Where the record begins.
        offset: u64,
        /// What it says.
        bytes: u64,
    },
    /// A block that contradicts itself.
    #[error("the block at byte {offset} is damaged: {what}")]
    Damaged {
        /// Where the block begins.
        offset: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// An obsolete packet block (pcapng draft, appendix A), which nobody writes any more.
    #[error(
        "the block at byte {offset} is an obsolete packet block; rewrite the capture with \
         `editcap IN OUT`"
    )]
    Obsolete {
        /// Where the block begins.
        offset: u64,
    },
    /// Frames that are no Ethernet and cannot be made so.
    #[error(
        "link type {number} (at byte {offset}) is not supported: Ethernet, raw IP and Linux \
         cooked (SLL, SLL2) are; capture with `tcpdump -i DEVICE -y EN10MB`"
    )]
    LinkType {
        /// As registered with tcpdump.org.
        number: u32,
        /// Where it is said.
        offset: u64,
    },
}

/// Why a replay ends before the capture does.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The capture cannot be read further.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// Nobody knows by which interface a packet came.
    #[error(transparent)]
    Judge(#[from] super::JudgeError),
}
