//! The shell between `decide` and the kernel: the only unsafe of the packet's way.

pub mod buffers;
mod cells;
pub mod clock;
mod ending;
mod judge;
mod maps;
pub mod question;
mod record;
mod sockets;
mod sources;
mod tables;
mod xdp_packet;

use buffers::Buffers;
pub use ending::finish;
pub use judge::judge;
pub use tables::{KernelTables, Shared};
pub use xdp_packet::Frame;
