//! A frame where the driver left it.

use super::Buffers;
use aya_ebpf::bindings::xdp_md;
use aya_ebpf::helpers::generated::bpf_xdp_get_buff_len;
use aya_ebpf::programs::XdpContext;
use core::cell::Cell;
use filter_ebpf::Packet;
use filter_ebpf::parse::quic;

/// A frame. Headers are read from the first buffer only, where drivers put them: one that
/// reaches beyond it is cut short, and the frame is then read once more, as `Buffers`.
pub struct Frame {
    start: usize,
    end: usize,
    /// Bytes that are known of: at first those of the first buffer.
    length: Cell<u64>,
    context: *mut xdp_md,
    /// Whether there may be more buffers, of which `length` does not know yet.
    may_go_on: bool,
    /// Bytes in front of the frame that are none of it.
    skipped: usize,
}

impl Frame {
    /// A frame that may go on in more buffers. How long it is then only a call of the kernel
    /// tells, and a call costs: it is asked where the first buffer does not hold the packet.
    #[inline(always)]
    pub fn in_buffers(ctx: &XdpContext) -> Self {
        Self {
            may_go_on: true,
            ..Self::linear(ctx)
        }
    }

    /// A frame of this length in all buffers.
    #[inline(always)]
    pub fn of_length(ctx: &XdpContext, length: u64) -> Self {
        Self {
            length: Cell::new(length),
            ..Self::linear(ctx)
        }
    }

    /// A frame in one buffer.
    #[inline(always)]
    pub fn linear(ctx: &XdpContext) -> Self {
        let (start, end) = (ctx.data(), ctx.data_end());
        Self {
            start,
            end,
            length: Cell::new(first_buffer(ctx.ctx)),
            context: ctx.ctx,
            may_go_on: false,
            skipped: 0,
        }
    }

    /// A frame in one buffer, behind something else of this size.
    #[inline(always)]
    pub fn behind(ctx: &XdpContext, size: usize) -> Self {
        let whole = Self::linear(ctx);
        Self {
            start: whole.start + size,
            skipped: size,
            length: Cell::new(whole.length.get() - size as u64),
            ..whole
        }
    }

    /// Bytes of the frame. Of one whose IP packet ends in the first buffer, what a driver put
    /// behind it into others does not count.
    #[inline(always)]
    pub fn length(&self) -> u64 {
        self.length.get()
    }

    /// Bytes in all buffers.
    #[inline(always)]
    pub fn whole_length(&self) -> u64 {
        if self.may_go_on {
            // SAFETY: the context is the program's own argument.
            self.length
                .set(unsafe { bpf_xdp_get_buff_len(self.context) });
        }
        self.length.get()
    }

    /// Once the length of the whole is known.
    #[inline(always)]
    pub fn is_longer_than_its_first_buffer(&self) -> bool {
        self.length() > first_buffer(self.context)
    }
}

/// Bytes in the first buffer.
///
/// Read from the context, volatile. Were it known that a length is `end - start`, LLVM would infer
/// one bound of the parser from another, and the verifier could not follow. Were `start` and `end`
/// kept for it, each as far as its way has looked, the verifier would read 492,000 instructions on
/// 6.18, not 196,000.
#[inline(always)]
fn first_buffer(context: *mut xdp_md) -> u64 {
    // SAFETY: the context is the program's own argument.
    let fields = unsafe { &*context };
    let (first, last) = (&raw const fields.data, &raw const fields.data_end);
    // SAFETY: a field of the context.
    let first = unsafe { first.read_volatile() };
    // SAFETY: a field of the context.
    let last = unsafe { last.read_volatile() };
    u64::from(last) - u64::from(first)
}

impl Packet for Frame {
    #[inline(always)]
    fn reaches(&self, end: usize) -> bool {
        end as u64 <= self.length() || end as u64 <= self.whole_length()
    }

    #[inline(always)]
    fn load<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        let from = self.start + at;
        if from + N > self.end {
            return None;
        }
        // SAFETY: [from, from + N) was just found to lie inside the first buffer.
        Some(unsafe { *(from as *const [u8; N]) })
    }

    #[inline(always)]
    fn may_hide_initial(&self, at: usize, datagram_end: usize, end: usize) -> bool {
        let [at, datagram_end, end] = [at, datagram_end, end].map(|at| (at + self.skipped) as u64);
        let answer = if self.may_go_on {
            edge_filter_quic(self.context, at, datagram_end, end)
        } else {
            edge_filter_quic_linear(self.context, at, datagram_end, end)
        };
        answer != 0
    }
}

/// A function of its own, and there twice: see `ending`. Offsets are those from the start of the
/// buffer.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn edge_filter_quic(ctx: *mut xdp_md, at: u64, datagram_end: u64, end: u64) -> u32 {
    let context = XdpContext::new(ctx);
    match Buffers::of(&context) {
        Some(frame) if frame.length() > first_buffer(ctx) => {
            may_hide_initial(&frame, at, datagram_end, end)
        }
        _ => may_hide_initial(&Frame::linear(&context), at, datagram_end, end),
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn edge_filter_quic_linear(
    ctx: *mut xdp_md,
    at: u64,
    datagram_end: u64,
    end: u64,
) -> u32 {
    let frame = Frame::linear(&XdpContext::new(ctx));
    may_hide_initial(&frame, at, datagram_end, end)
}

#[inline(always)]
fn may_hide_initial<P: Packet>(frame: &P, at: u64, datagram_end: u64, end: u64) -> u32 {
    quic::may_hide_initial(frame, at as usize, datagram_end as usize, end as usize).into()
}
