//! One question each, asked by `pipeline` in the order of the verdict table.

pub mod access;
pub mod ban;
pub mod fragment;
pub mod rate;
pub mod reply;
pub mod service;
