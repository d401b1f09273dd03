//! One small configuration for each thing that can be said about one, with what is said beside it.
//!
//! `tests/config/NAME.toml` must be refused, `warn_NAME.toml` accepted; `NAME.snap` is the
//! output. Lines `#: ...` describe the host. After a change on purpose: `INSTA_UPDATE=always`.

use filter_user::config::{HostFacts, load_from, read_bounded, render};
use std::fs;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config")
}

fn host(text: &str) -> HostFacts {
    let mut host = HostFacts::default();
    for fact in text.lines().filter_map(|line| line.strip_prefix("#: ")) {
        match fact.split(' ').collect::<Vec<_>>()[..] {
            ["forwarding"] => host.forwarding = true,
            ["master", member, master] => {
                host.masters.insert(member.to_owned(), master.to_owned());
            }
            ["reserved", range] => {
                let (first, last) = range.split_once('-').expect("a range");
                let port = |text: &str| text.parse::<u16>().expect("a port");
                host.reserved_ports.push(port(first)..=port(last));
            }
            _ => panic!("no such fact: {fact}"),
        }
    }
    host
}

fn said_about(case: &str) -> String {
    let name = format!("{case}.toml");
    let bytes = fs::read(folder().join(&name)).expect("the case");
    let host = host(&String::from_utf8_lossy(&bytes));
    let read = |path: &Path| read_bounded(&folder().join(path));
    match load_from(Path::new(&name), &bytes, &read, &host) {
        Ok(loaded) => {
            assert!(case.starts_with("warn_"), "{case} is accepted");
            render(&loaded.warnings, false)
        }
        Err(errors) => {
            assert!(!case.starts_with("warn_"), "{case} is refused: {errors}");
            errors.to_string()
        }
    }
}

#[test]
fn every_case_is_answered_as_recorded() {
    let mut cases: Vec<String> = fs::read_dir(folder())
        .expect("the cases")
        .filter_map(|entry| entry.expect("an entry").file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".toml").map(str::to_owned))
        .collect();
    cases.sort();
    assert!(cases.len() >= 70, "cases are missing: {}", cases.len());

    let mut settings = insta::Settings::new();
    settings.set_snapshot_path("config");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let mut differ = Vec::new();
    for case in cases {
        let said = said_about(&case);
        let compare = || settings.bind(|| insta::assert_snapshot!(case.as_str(), said));
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(compare)).is_err() {
            differ.push(case);
        }
    }
    assert!(differ.is_empty(), "answered otherwise: {differ:?}");
}

#[test]
fn independent_errors_are_all_reported_in_the_order_of_the_files() {
    let bytes = fs::read(folder().join("several_errors_in_order.toml")).expect("the case");
    let read = |path: &Path| read_bounded(&folder().join(path));
    let path = Path::new("c.toml");
    let errors = load_from(path, &bytes, &read, &HostFacts::default()).expect_err("errors");
    assert_eq!(errors.files, [path, Path::new("wrong.list")]);
    let places: Vec<(String, u32)> = errors
        .diagnostics
        .iter()
        .map(|e| {
            (
                e.file.display().to_string(),
                e.place.as_ref().map_or(0, |p| p.line),
            )
        })
        .collect();
    let config = [5, 12, 13, 13, 16, 17].map(|line| ("c.toml".to_owned(), line));
    let list = [3, 4, 5, 6, 7, 8].map(|line| ("wrong.list".to_owned(), line));
    assert_eq!(places, [config, list].concat());
}

#[test]
fn a_diagnostic_as_json_has_its_place() {
    let path = Path::new("c.toml");
    let text = b"[[interface]]\nname = \"eth0\"\n[policy]\nmod = 1\n";
    let read = |_: &Path| unreachable!("no list is named");
    let errors = load_from(path, text, &read, &HostFacts::default()).expect_err("an error");
    let json = errors.diagnostics[0].to_json();
    assert_eq!(json["severity"], "error");
    assert_eq!(json["file"], "c.toml");
    assert_eq!(
        (json["line"].as_u64(), json["column"].as_u64()),
        (Some(4), Some(1))
    );
    assert_eq!(json["span"], serde_json::json!([37, 40]));
    assert_eq!(json["help"], "did you mean `mode`?");
}
