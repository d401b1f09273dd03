//! Packets, oracle, fixtures and namespaces for the tests of edge-filter.
pub mod daemon;
pub mod netns;
