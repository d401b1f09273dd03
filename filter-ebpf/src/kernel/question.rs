//! A frame that asks: the answer is written in front of it, so that the test run which brought
//! the frame hands it back. Nothing is shared, so that questions do not meet.

use super::Frame;
use aya_ebpf::helpers::generated::bpf_xdp_adjust_head;
use aya_ebpf::programs::XdpContext;
use filter_common::answer::{Answer, Words};

/// Of the 256 bytes that a test run leaves free in front of a frame.
const SIZE: usize = size_of::<Answer>();

/// Makes room for the answer, all zero, in front of the frame. `None` where there is none, as
/// behind a driver that leaves no headroom.
#[inline(always)]
pub fn open(ctx: &XdpContext) -> Option<(&Words, Frame)> {
    // SAFETY: the context is the program's own; no pointer into the frame was taken before.
    if unsafe { bpf_xdp_adjust_head(ctx.ctx, -(SIZE as i32)) } != 0 {
        return None;
    }
    let (start, end) = (ctx.data(), ctx.data_end());
    if start + SIZE > end {
        return None;
    }
    // SAFETY: [start, start + SIZE) was just found to lie inside the first buffer, which is the
    // program's own while it runs; any bytes are words, and packet bytes need no alignment.
    let words = unsafe { &*(start as *const Words) };
    for word in words {
        word.set(0);
    }
    Some((words, Frame::behind(ctx, SIZE)))
}
