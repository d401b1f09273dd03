//! Whoever stops reading what a command says does not change how it ends.

use std::io::pipe;
use std::process::{Command, ExitStatus};

/// The status of `check` on this configuration, whose errors nobody reads.
fn check(config: &str) -> ExitStatus {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("config.toml");
    std::fs::write(&path, config).expect("there is room");
    let (reader, writer) = pipe().expect("a pipe");
    drop(reader);
    Command::new(env!("CARGO_BIN_EXE_edge-filter"))
        .args(["check", "--config"])
        .arg(&path)
        .stderr(writer)
        .status()
        .expect("it was built")
}

#[test]
fn errors_that_nobody_reads_leave_the_status_as_it_is() {
    let status = check("[[service]]\nname = 1\n");
    assert_eq!(status.code(), Some(3), "{status}");
}
