//! A frame that lies in several buffers, read through the kernel: some drivers put little into
//! the first one, or nothing (mlx5 with striding queues), and headers may be longer than it.

use super::judge;
use super::maps::HEADER;
use aya_ebpf::bindings::xdp_md;
use aya_ebpf::helpers::generated::{bpf_xdp_get_buff_len, bpf_xdp_load_bytes};
use aya_ebpf::programs::XdpContext;
use filter_common::verdict::{Decision, Outcome};
use filter_ebpf::Packet;

/// Bytes of the longest header that is read as a whole: IPv6's.
pub const LONGEST: usize = 40;

/// All of a frame, wherever it lies. Each read is a call and a copy: not for every packet.
pub struct Buffers {
    context: *mut xdp_md,
    length: u64,
    /// Where the kernel copies to: to the verifier, unlike the stack, any alignment is as good as
    /// another there.
    header: *mut [u8; LONGEST],
}

impl Buffers {
    /// The frame of this context.
    #[inline(always)]
    pub fn of(ctx: &XdpContext) -> Option<Self> {
        Some(Self {
            context: ctx.ctx,
            // SAFETY: the context is the program's own argument.
            length: unsafe { bpf_xdp_get_buff_len(ctx.ctx) },
            header: HEADER.get_ptr_mut(0)?,
        })
    }

    /// Bytes in all of them.
    #[inline(always)]
    pub fn length(&self) -> u64 {
        self.length
    }
}

impl Packet for Buffers {
    #[inline(always)]
    fn reaches(&self, end: usize) -> bool {
        end as u64 <= self.length
    }

    #[inline(always)]
    fn load<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        const { assert!(N <= LONGEST) };
        let header = self.header.cast();
        // SAFETY: the context is the program's own argument, and there is room for N bytes in this
        // CPU's own slot of the map. XDP does not nest on a CPU (nor is it preempted there, but by a
        // kernel with PREEMPT_RT whose CPUs need no lock for bottom halves, which nobody has tried).
        let done = unsafe { bpf_xdp_load_bytes(self.context, at as u32, header, N as u32) };
        if done != 0 {
            return None;
        }
        // SAFETY: as above.
        Some(unsafe { *header.cast::<[u8; N]>() })
    }
}

/// The decision on a frame whose first buffer told too little. A function of its own: see `ending`.
/// What that buffer cuts short is decided by the parser: nothing was booked for the packet yet.
#[inline(always)]
pub fn judge_again(ctx: &XdpContext) -> Decision {
    Decision::from_bits(edge_filter_buffers(ctx.ctx))
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn edge_filter_buffers(ctx: *mut xdp_md) -> u32 {
    let ctx = XdpContext::new(ctx);
    let decision = match Buffers::of(&ctx) {
        Some(frame) => judge(&ctx, &frame, true).0,
        None => Decision::general(Outcome::FAULT),
    };
    decision.to_bits()
}
