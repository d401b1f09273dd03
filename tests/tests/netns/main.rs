//! The real binary in network namespaces, with real sockets and crafted frames.

mod harness;
