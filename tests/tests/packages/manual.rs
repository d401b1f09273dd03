//! The manual pages, by two formatters.

use std::path::PathBuf;
use std::process::Command;

use edge_filter_tests::daemon::binary;
use tempfile::TempDir;

fn pages() -> (TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let made = Command::new(binary())
        .arg("man")
        .arg(folder.path())
        .status();
    assert!(made.expect("it is built: cargo xtask build").success());
    let entries = std::fs::read_dir(folder.path()).expect("it is there");
    let mut pages: Vec<_> = entries.map(|e| e.expect("it can be read").path()).collect();
    pages.sort();
    (folder, pages)
}

#[test]
fn no_formatter_warns_of_a_page() {
    let (_folder, pages) = pages();
    assert!(pages.len() > 20, "{pages:?}");
    for (program, arguments) in [
        ("mandoc", &["-Tlint", "-Wwarning"][..]),
        ("groff", &["-man", "-Tutf8", "-ww", "-z"]),
    ] {
        let output = Command::new(program).args(arguments).args(&pages).output();
        let output = output.unwrap_or_else(|_| panic!("no {program}: cargo xtask setup"));
        let said = [output.stdout, output.stderr].concat();
        assert!(said.is_empty(), "{}", String::from_utf8_lossy(&said));
    }
}

#[test]
fn every_command_and_the_configuration_have_one() {
    let (folder, pages) = pages();
    let help = Command::new(binary()).arg("--help").output();
    let help = String::from_utf8(help.expect("it is built").stdout).expect("it is text");
    let (_, commands) = help.split_once("Commands:\n").expect("it lists them");
    let commands: Vec<_> = commands
        .lines()
        .take_while(|line| !line.is_empty())
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|command| *command != "help")
        .collect();
    assert!(commands.contains(&"apply"), "{commands:?}");
    for command in &commands {
        let page = folder.path().join(format!("edge-filter-{command}.8"));
        assert!(pages.contains(&page), "{command}");
    }
    for page in ["edge-filter.8", "edge-filter.5"] {
        assert!(pages.contains(&folder.path().join(page)), "{page}");
    }
    assert_eq!(pages.len(), commands.len() + 2, "{pages:?}");
}
