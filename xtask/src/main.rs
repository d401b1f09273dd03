//! Set-up, build, tests and demo.
fn main() {}
