//! What is fuzzed, once more without libFuzzer: the corpus that is kept, and each finding.

use edge_filter_tests::fuzzing::TARGETS;
use edge_filter_tests::fuzzing::regressions::REGRESSIONS;
use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

/// Of all corpora together: they are read by every test run and every clone.
const MOST_BYTES: u64 = 1 << 20;
/// Of one target.
const MOST_FILES: usize = 500;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz")
        .join(name)
}

/// Paths in a folder, in the order of their names.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    paths
}

fn stems(folder: &Path) -> BTreeSet<String> {
    let stem = |path: &PathBuf| {
        path.file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
    };
    entries(folder).iter().filter_map(stem).collect()
}

fn run(name: &str, bytes: &[u8], what: &str) {
    let target = TARGETS.iter().find(|target| target.name == name);
    let run = target.unwrap_or_else(|| panic!("no target {name}")).run;
    assert!(catch_unwind(|| run(bytes)).is_ok(), "{name}: {what}");
}

#[test]
fn every_file_of_the_corpora_is_taken() {
    for target in &TARGETS {
        for path in entries(&folder("corpus").join(target.name)) {
            let bytes = fs::read(&path).expect("a file of the checkout");
            run(target.name, &bytes, &path.display().to_string());
        }
    }
}

#[test]
fn no_finding_comes_back() {
    for regression in &REGRESSIONS {
        run(regression.target, regression.bytes, regression.what);
    }
}

#[test]
fn every_seed_is_taken() {
    for target in &TARGETS {
        for (number, seed) in (target.seeds)().iter().enumerate() {
            run(target.name, seed, &format!("seed {number}"));
        }
    }
}

#[test]
fn each_target_has_its_file_and_a_corpus_that_is_small() {
    let names: BTreeSet<_> = TARGETS
        .iter()
        .map(|target| target.name.to_owned())
        .collect();
    assert_eq!(stems(&folder("targets")), names);
    assert_eq!(stems(&folder("corpus")), names);
    let mut bytes = 0;
    for name in names {
        let files = entries(&folder("corpus").join(&name));
        assert!(
            (20..=MOST_FILES).contains(&files.len()),
            "{name}: {}",
            files.len()
        );
        let sizes = files
            .iter()
            .map(|path| fs::metadata(path).expect("a file").len());
        bytes += sizes.sum::<u64>();
    }
    assert!(bytes < MOST_BYTES, "{bytes} bytes");
}
