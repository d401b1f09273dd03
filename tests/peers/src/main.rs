//! XDP programs that edge-filter is measured beside: the limits (drop at once, parse and drop), the
//! same filter built from the kernel's own tables, and what gives a test run random sources.
//! Measured only, never shipped: no program here is safe to put before a service.
#![no_std]
#![no_main]
#![expect(
    missing_docs,
    reason = "the macro `xdp` drops those of the entry points"
)]

mod filter;
mod headers;
mod spray;

use aya_ebpf::bindings::xdp_action::{XDP_ABORTED, XDP_DROP, XDP_PASS};
use aya_ebpf::macros::xdp;
use aya_ebpf::programs::XdpContext;

/// The least that a program can do: what is left is the test run itself.
#[xdp]
pub fn bare_drop(_: XdpContext) -> u32 {
    XDP_DROP
}

/// Lets everything through: what XDP itself costs a connection.
#[xdp]
pub fn bare_pass(_: XdpContext) -> u32 {
    XDP_PASS
}

/// Reads what every filter has to read.
#[xdp]
pub fn parse_drop(ctx: XdpContext) -> u32 {
    match headers::parse(&ctx) {
        Some(flow) => filter::keep(&flow),
        None => XDP_ABORTED,
    }
}

/// The same filter from the kernel's tables: LPM tries for the lists, an LRU hash for the rates.
#[xdp]
pub fn lpm_lru(ctx: XdpContext) -> u32 {
    filter::run(&ctx)
}

/// The next source into the frame, then the program that is measured.
#[xdp]
pub fn spray(ctx: XdpContext) -> u32 {
    spray::then(&ctx, &spray::NEXT)
}

/// The same for programs that take frames in several buffers: both kinds do not fit one array.
#[xdp(frags)]
pub fn spray_frags(ctx: XdpContext) -> u32 {
    spray::then(&ctx, &spray::NEXT_FRAGS)
}

/// The next source into the frame, and off to a device: with live frames, a generator.
#[xdp]
pub fn generate(ctx: XdpContext) -> u32 {
    spray::redirect(&ctx)
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // Nothing here panics: the build fails on any panic symbol in the object.
    loop {}
}
