//! See `edge_filter_tests::fuzzing::configs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| edge_filter_tests::fuzzing::configs::run(bytes));
