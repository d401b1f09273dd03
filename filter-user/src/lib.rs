//! The config's way and the daemon.

pub mod compile;
pub mod config;
pub mod kernel;
