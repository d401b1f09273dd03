//! The config's way and the daemon.

pub mod config;
