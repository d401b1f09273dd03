//! `edge-filter`.
fn main() {}
