//! The packet's way: frame -> flow -> service -> verdict. The same code runs in the kernel and
//! on the host; `kernel/`, which only the bpf target has, is the shell around it.
//!
//! No allocation, no unsafe, no panic. Time and tables are parameters.
#![no_std]
#![forbid(unsafe_code)]

pub mod ask;
pub mod packet;
pub mod parse;
pub mod pipeline;
pub mod stages;
pub mod tables;

pub use packet::Packet;
pub use pipeline::decide;
pub use tables::Tables;
