//! Bounded reads from a frame: the only way to its bytes.

use crate::parse::quic;

/// A frame.
pub trait Packet {
    /// Whether the frame, from the Ethernet header on, has bytes up to `end`.
    fn reaches(&self, end: usize) -> bool;

    /// `N` bytes at `at`, or `None` past the end. The check and the read are one step, so that
    /// the verifier sees the bound on the very pointer that is dereferenced. Load a whole
    /// header at once: one check covers it, and bytes that nobody uses are never read.
    fn load<const N: usize>(&self, at: usize) -> Option<[u8; N]>;

    /// The same, and not past `end` either: what lies behind the IP length is padding.
    #[inline(always)]
    fn load_within<const N: usize>(&self, at: usize, end: usize) -> Option<[u8; N]> {
        if at + N > end { None } else { self.load(at) }
    }

    /// [`quic::may_hide_initial`], which few packets are asked: in the kernel a function of its own.
    #[inline(always)]
    fn may_hide_initial(&self, at: usize, datagram_end: usize, end: usize) -> bool {
        quic::may_hide_initial(self, at, datagram_end, end)
    }
}

impl Packet for [u8] {
    #[inline(always)]
    fn reaches(&self, end: usize) -> bool {
        end <= self.len()
    }

    #[inline(always)]
    fn load<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.get(at..)?.first_chunk().copied()
    }
}

/// Fields of a header at constant offsets: the bounds vanish when inlined.
///
/// Each is copied as one array of its own width, never put together from single bytes: LLVM
/// joins bytes only where they are used in one block, and kernel 6.1 loses the bounds of a
/// number joined by shift and or.
pub(crate) trait Fields {
    fn bytes<const AT: usize, const N: usize>(&self) -> [u8; N];

    #[inline(always)]
    fn u16_at<const AT: usize>(&self) -> u16 {
        u16::from_be_bytes(self.bytes::<AT, 2>())
    }

    #[inline(always)]
    fn u32_at<const AT: usize>(&self) -> u32 {
        u32::from_be_bytes(self.bytes::<AT, 4>())
    }

    #[inline(always)]
    fn u64_at<const AT: usize>(&self) -> u64 {
        u64::from_be_bytes(self.bytes::<AT, 8>())
    }

    /// A port as it stands on the wire: what tables of ports are indexed by.
    #[inline(always)]
    fn wire16_at<const AT: usize>(&self) -> u16 {
        u16::from_ne_bytes(self.bytes::<AT, 2>())
    }

    /// An IPv4 address as it stands on the wire.
    #[inline(always)]
    fn wire32_at<const AT: usize>(&self) -> u32 {
        u32::from_ne_bytes(self.bytes::<AT, 4>())
    }

    /// Half an IPv6 address as it stands on the wire.
    #[inline(always)]
    fn wire64_at<const AT: usize>(&self) -> u64 {
        u64::from_ne_bytes(self.bytes::<AT, 8>())
    }
}

impl<const M: usize> Fields for [u8; M] {
    #[inline(always)]
    fn bytes<const AT: usize, const N: usize>(&self) -> [u8; N] {
        const { assert!(AT + N <= M) };
        match self.get(AT..).and_then(|rest| rest.first_chunk()) {
            Some(bytes) => *bytes,
            None => [0; N],
        }
    }
}
