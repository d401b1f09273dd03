//! The config's way: text -> `file` (as typed) -> `policy` (valid).

pub mod policy;
