//! The daemon's hands: loading the packet program, its maps and links. The only unsafe of this
//! crate lives here. Nothing here knows what a policy means.

pub mod ask;
pub mod attach;
pub mod capabilities;
pub mod clock;
pub mod counters;
pub mod environment;
mod error;
pub mod events;
pub mod exceptions;
pub mod features;
pub mod generations;
mod link;
pub mod load;
pub mod memory;
pub mod netdev;
pub mod netlink;
pub mod pins;
mod repin;
pub mod sockets;
pub mod sources;
pub mod state;
pub mod upgrade;

pub use error::KernelError;
pub use load::{Kernel, Options};
pub use pins::Pins;
