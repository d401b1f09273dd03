//! Network namespaces with real sockets and crafted frames: a client on one side of a wire, the
//! filter and its services on the other. Must never touch the host's own network, wait by
//! sleeping, or leave anything behind.

pub mod barrage;
pub mod crowd;
pub mod frames;
pub mod namespace;
pub mod net;
pub mod raw;
pub mod sockets;
pub mod tcpdump;
pub mod wait;

pub use namespace::Namespace;
pub use net::{Net, Wire};
