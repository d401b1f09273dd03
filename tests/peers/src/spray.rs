//! A test run repeats one frame. These write another source into it each time, from an array that
//! the bench has filled, read in order so that the array itself costs next to nothing.

use aya_ebpf::bindings::xdp_action::{XDP_ABORTED, XDP_DROP};
use aya_ebpf::btf_maps::{Array, ProgramArray};
use aya_ebpf::helpers::generated::bpf_redirect;
use aya_ebpf::macros::btf_map;
use aya_ebpf::programs::XdpContext;

/// Sources in the array: a power of two.
const SOURCES: usize = 1 << 20;
const MMAPABLE: usize = 1 << 10;

/// Where in the array, where in the frame, where to.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Control {
    /// The next source's number.
    next: u64,
    /// Offset of the source address in the frame.
    offset: u32,
    /// 4 for IPv4, 8 for the upper half of an IPv6 address.
    width: u32,
    /// Index of the device, for the generator.
    device: u32,
    /// How many of 2^32 batches are sent, for the generator: what paces it.
    share: u32,
}

#[btf_map]
static CONTROL: Array<Control, 1, MMAPABLE> = Array::new();
/// As they stand on the wire.
#[btf_map]
static SPRAYED: Array<[u64; SOURCES], 1, MMAPABLE> = Array::new();
/// The program that is measured.
#[btf_map]
pub static NEXT: ProgramArray<1> = ProgramArray::new();
#[btf_map]
pub static NEXT_FRAGS: ProgramArray<1> = ProgramArray::new();

/// Writes the next source, goes on with the program in the array.
#[inline(always)]
pub fn then(ctx: &XdpContext, next: &ProgramArray<1>) -> u32 {
    if write(ctx).is_some() {
        // SAFETY: nothing here needs dropping.
        unsafe { next.tail_call(ctx, 0) };
    }
    XDP_ABORTED
}

/// Writes the next source, sends the frame out of the device; or drops it, as the share wants: by
/// whole batches, as a NIC hands over what came since its last interrupt.
#[inline(always)]
pub fn redirect(ctx: &XdpContext) -> u32 {
    /// 2^32 over the golden ratio: multiples of it are spread evenly (Knuth, TAOCP 3, s. 6.4).
    const GOLDEN: u32 = 0x9e37_79b9;
    /// Frames in the kernel's batch, as a shift.
    const BATCH: u32 = 6;
    let Some(control) = write(ctx) else {
        return XDP_ABORTED;
    };
    if ((control.next >> BATCH) as u32).wrapping_mul(GOLDEN) > control.share {
        return XDP_DROP;
    }
    // SAFETY: takes numbers only.
    unsafe { bpf_redirect(control.device, 0) as u32 }
}

/// Returns what tells what becomes of the frame.
#[inline(always)]
fn write(ctx: &XdpContext) -> Option<&'static Control> {
    let control = CONTROL.get_ptr_mut(0)?;
    // SAFETY: one test run at a time uses the map.
    let control = unsafe { &mut *control };
    let sources = SPRAYED.get(0)?;
    let source = sources[control.next as usize % SOURCES];
    control.next += 1;
    let start = ctx.data() + control.offset as usize % 64;
    if start + 8 > ctx.data_end() {
        return None;
    }
    if control.width == 4 {
        let place = start as *mut u32;
        // SAFETY: eight bytes from `start` lie inside the frame; no alignment is needed.
        let before = unsafe { place.read_unaligned() };
        mend(ctx, control.offset, before, source as u32)?;
        // SAFETY: as above.
        unsafe { place.write_unaligned(source as u32) };
    } else {
        // SAFETY: as above.
        unsafe { (start as *mut u64).write_unaligned(source) };
    }
    Some(control)
}

/// The IPv4 header's checksum after a change of its source (RFC 1624, equation 3): the kernel drops
/// what has a wrong one before netfilter sees it. Sums of 16 bits do not mind the byte order.
#[inline(always)]
fn mend(ctx: &XdpContext, offset: u32, before: u32, after: u32) -> Option<()> {
    let start = ctx.data() + offset.wrapping_sub(2) as usize % 64;
    if start + 2 > ctx.data_end() {
        return None;
    }
    let place = start as *mut u16;
    // SAFETY: two bytes from `start` lie inside the frame.
    let sum = unsafe { place.read_unaligned() };
    let halves = |word: u32| (word >> 16) + (word & 0xffff);
    let mut sum = u32::from(!sum) + halves(!before) + halves(after);
    sum = halves(sum);
    sum = halves(sum);
    // SAFETY: as above.
    unsafe { place.write_unaligned(!(sum as u16)) };
    Some(())
}
