//! Packets, oracle, fixtures and namespaces for the tests of edge-filter.
pub mod browser;
pub mod built;
pub mod daemon;
pub mod differential;
pub mod events;
pub mod exceptions;
pub mod fixtures;
pub mod frame;
pub mod fuzzing;
pub mod kernel;
pub mod netns;
pub mod oracle;
pub mod random;
pub mod scenario;
