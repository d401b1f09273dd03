//! What both sides of the kernel boundary agree on.
#![no_std]
#![forbid(unsafe_code)]
