//! What both sides of the kernel boundary agree on: layouts, table look-ups, rate arithmetic,
//! verdicts. The daemon writes these tables, the packet program reads them, tests do both.
//!
//! Nothing here allocates, reads a clock or panics on what it finds in a table.
#![no_std]
#![forbid(unsafe_code)]

pub mod addr;
pub mod answer;
pub mod event;
pub mod gcra;
mod layout;
mod lone;
pub mod policy;
pub mod sources;
pub mod state;
pub mod table4;
pub mod table6;
pub mod verdict;
pub mod version;
