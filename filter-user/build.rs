//! Tells the compiler where the packet program is that the binary embeds.
//!
//! `cargo xtask build` makes it. Where it is missing, type checking, lints, docs and unit tests go
//! on with an empty file, which the loader refuses; a release binary cannot be linked.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bpf");
    let object = folder.join("edge-filter.o");
    let embedded = if object.is_file() {
        println!("cargo::rerun-if-changed={}", object.display());
        object
    } else {
        // A file that is missing would rerun this script each time; a folder only on a change.
        fs::create_dir_all(&folder).expect("the target folder must be writable");
        println!("cargo::rerun-if-changed={}", folder.display());
        println!("cargo::warning=the packet program is not built yet: run `cargo xtask build`");
        if env::var_os("PROFILE").is_some_and(|profile| profile == "release") {
            // The linker refuses it by name: a shipped binary always carries its program.
            println!("cargo::rustc-link-arg-bins=--packet-program-missing,run-cargo-xtask-build");
        }
        let placeholder =
            PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("edge-filter.o");
        fs::write(&placeholder, []).expect("OUT_DIR must be writable");
        placeholder
    };
    println!("cargo::rustc-env=EDGE_FILTER_OBJECT={}", embedded.display());
}
