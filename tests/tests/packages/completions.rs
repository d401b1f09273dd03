//! The completions, asked in the shells that they are for.

use std::path::Path;
use std::process::Command;

use edge_filter_tests::daemon::binary;

/// Runs a script in a shell; `SCRIPT` in it is the file with the shell's completions.
fn run(shell: &str, arguments: &[&str], script: &str) -> String {
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let made = Command::new(binary()).args(["completions", shell]).output();
    let made = made.expect("it is built: cargo xtask build");
    let file = folder.path().join("completions");
    std::fs::write(&file, made.stdout).expect("the folder is ours");
    let output = command(folder.path(), shell)
        .args(arguments)
        .arg(script.replace("SCRIPT", file.to_str().expect("it is text")))
        .output()
        .unwrap_or_else(|_| panic!("no {shell}: cargo xtask setup"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{shell}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// With a home of its own: shells write there.
fn command(home: &Path, shell: &str) -> Command {
    let mut command = Command::new("timeout");
    command.args(["120", shell]).env("HOME", home);
    command.env_remove("XDG_CONFIG_HOME").env("TERM", "dumb");
    command
}

#[test]
fn bash_completes_commands_and_options() {
    let script = r#"source SCRIPT
        COMP_WORDS=(edge-filter ro); COMP_CWORD=1; _edge__filter edge-filter ro edge-filter
        echo "${COMPREPLY[@]}"
        COMP_WORDS=(edge-filter apply --con); COMP_CWORD=2; _edge__filter edge-filter --con apply
        echo "${COMPREPLY[@]}""#;
    let said = run("bash", &["--norc", "-c"], script);
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines, ["rollback", "--confirm --config"], "{said}");
}

#[test]
fn fish_completes_commands_and_options() {
    let script =
        "source SCRIPT; complete -C 'edge-filter ro'; complete -C 'edge-filter apply --conf'";
    let said = run("fish", &["--no-config", "-c"], script);
    let words: Vec<_> = said
        .lines()
        .filter_map(|line| line.split('\t').next())
        .collect();
    for word in ["rollback", "--config", "--confirm"] {
        assert!(words.contains(&word), "{said}");
    }
}

#[test]
fn zsh_completes_commands() {
    // In a terminal of its own: zsh completes nowhere else.
    let script = r#"zmodload zsh/zpty
        zpty inner 'HOME=$HOME zsh -f -i'
        zpty -w inner 'PS1=; autoload -U compinit; compinit -D -u; source SCRIPT; print RE''ADY'
        zpty -r inner seen '*READY*' || exit 1
        zpty -w -n inner $'edge-filter roll\t'
        zpty -r inner seen '*edge-filter rollback*' || exit 1
        zpty -d inner; print completed"#;
    assert!(run("zsh", &["-f", "-c"], script).contains("completed"));
}
