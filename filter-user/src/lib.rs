//! The config's way and the daemon.

pub mod applied;
pub mod cli;
pub mod commands;
pub mod compile;
pub mod config;
pub mod configured;
pub mod control;
pub mod daemon;
pub mod doctor;
pub mod events;
pub mod exceptions;
pub mod explain;
pub mod guard;
pub mod ids;
pub mod in_force;
pub mod kernel;
pub mod last_good;
pub mod locations;
pub mod log;
pub mod metrics;
pub mod offline;
pub mod report;
pub mod shrink;
pub mod state_directory;
pub mod tally;
pub mod watch;
