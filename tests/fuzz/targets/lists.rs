//! See `edge_filter_tests::fuzzing::lists`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| edge_filter_tests::fuzzing::lists::run(bytes));
