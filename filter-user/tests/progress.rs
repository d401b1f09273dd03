//! Long work is told on stderr: moving on a terminal, plain lines elsewhere, never beside JSON.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const PROGRAM: &str = env!("CARGO_BIN_EXE_edge-filter");
const SAID: &str = "compiling 100000 prefixes";

/// A configuration with a list that takes a while.
fn configuration(folder: &Path) {
    let mut list = String::new();
    for number in 0..100_000_u32 {
        let [_, b, c, d] = number.to_be_bytes();
        // Writing to a String cannot fail.
        let _ = writeln!(list, "10.{b}.{c}.{d}");
    }
    fs::write(folder.join("list.txt"), list).expect("ours");
    let config = "[[interface]]\nname = \"eth0\"\n[prefix_list.long]\nfile = \"list.txt\"\n\
                  [[service]]\nname = \"api\"\nports = [\"443/tcp\"]\nallow = [\"long\"]\n";
    fs::write(folder.join("config.toml"), config).expect("ours");
}

fn check(folder: &Path, further: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    let command = command.args(["check", "--config"]);
    let command = command.arg(folder.join("config.toml")).args(further);
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{output:?}");
    output
}

#[test]
fn without_a_terminal_long_work_is_a_line_on_stderr() {
    let folder = tempfile::tempdir().expect("a folder");
    configuration(folder.path());
    let output = check(folder.path(), &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.lines()
            .any(|line| line == format!("edge-filter: {SAID}")),
        "{said}"
    );
    assert!(!said.contains(['\r', '\u{1b}']), "{said:?}");
    let data = String::from_utf8_lossy(&output.stdout);
    assert!(
        data.contains("tables") && !data.contains("compiling"),
        "{data}"
    );
}

#[test]
fn beside_json_nothing_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    configuration(folder.path());
    let output = check(folder.path(), &["--json"]);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("compiling"));
    serde_json::from_slice::<serde_json::Value>(&output.stdout).expect("nothing but JSON");
}

/// What stderr showed on a terminal, made by Debian's `script`; stdout goes to a file.
fn on_a_terminal(folder: &Path, further: &str) -> (String, String) {
    let (config, data) = (folder.join("config.toml"), folder.join("data"));
    let line = format!(
        "stty cols 80 rows 24; '{PROGRAM}' check --config '{}' {further} >'{}'",
        config.display(),
        data.display()
    );
    let shown = folder.join("shown");
    let output = Command::new("script")
        .args(["--quiet", "--return", "--command", &line])
        .arg(&shown)
        .env("TERM", "xterm")
        .output()
        .expect("script is there: it is part of Debian's bsdutils");
    assert!(output.status.success(), "{output:?}");
    let read = |path| fs::read_to_string(path).expect("it was written");
    (read(shown), read(data))
}

#[test]
fn on_a_terminal_it_moves_and_is_gone_in_the_end() {
    let folder = tempfile::tempdir().expect("a folder");
    configuration(folder.path());
    let (shown, data) = on_a_terminal(folder.path(), "");
    assert!(shown.contains(SAID), "{shown:?}");
    assert!(!shown.contains("edge-filter: compiling"), "{shown:?}");
    // The line is cleared behind the last of it.
    let behind = shown.rsplit_once(SAID).map(|(_, behind)| behind);
    assert!(
        behind.is_some_and(|text| text.contains("\u{1b}[2K")),
        "{shown:?}"
    );
    assert!(
        data.contains("tables") && !data.contains(['\r', '\u{1b}']),
        "{data:?}"
    );

    let (shown, _) = on_a_terminal(folder.path(), "--json");
    assert!(!shown.contains("compiling"), "{shown:?}");
}
