//! `docs/promises.md` names tests that exist.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Folders whose test files the document names by their path below them.
const FOLDERS: [&str; 4] = [
    "tests/tests",
    "filter-user/tests",
    "filter-common/tests",
    // By `src/…`: tests beside what they test.
    "filter-user",
];

#[test]
fn each_promise_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = fs::read_to_string(root.join("docs/promises.md")).expect("it is there");
    let read = |file: &str| {
        let paths = FOLDERS.map(|folder| root.join(folder).join(file));
        let texts = paths
            .iter()
            .filter_map(|path| fs::read_to_string(path).ok());
        texts.collect::<String>()
    };
    let mut named = BTreeMap::<String, Vec<String>>::new();
    for line in text
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains(".rs`"))
    {
        let tests = line
            .trim_end_matches(" |")
            .rsplit(" | ")
            .next()
            .expect("a cell");
        for group in tests.split("; ") {
            let (file, names) = group.split_once(' ').expect("a file and names");
            let file = file.trim_matches('`').to_owned();
            let names = names.split(", ").map(str::to_owned);
            named.entry(file).or_default().extend(names);
        }
    }
    let count: usize = named.values().map(Vec::len).sum();
    assert!(count > 50, "only {count} were found in the document");
    for (file, names) in named {
        let source = read(&file);
        let lines: Vec<_> = source.lines().map(str::trim_start).collect();
        let source = lines.join("\n");
        for name in names {
            let test = format!("#[test]\nfn {name}()");
            assert!(source.contains(&test), "{file} has no test {name}");
        }
    }
}
