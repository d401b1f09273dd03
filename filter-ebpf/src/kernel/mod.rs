//! The shell between `decide` and the kernel: the only unsafe of the packet's way.

mod cells;
pub mod clock;
pub mod ending;
mod maps;
pub mod question;
pub mod record;
mod sockets;
mod sources;
mod tables;
mod xdp_packet;

pub use tables::{KernelTables, Shared};
pub use xdp_packet::Frame;
