//! The configuration that packages install: valid, harmless, and an example of every key.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use filter_user::config::policy::{Mode, Unlisted};
use filter_user::config::{HostFacts, load, load_from, reference};

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../config")
        .join(name)
}

/// Its text with every key that is commented out set.
fn uncommented() -> String {
    let text = std::fs::read_to_string(shipped("edge-filter.toml")).unwrap();
    let line = |line: &str| match line.strip_prefix('#') {
        Some(rest) if !rest.is_empty() && !rest.starts_with(' ') => format!("{rest}\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[test]
fn it_drops_nothing() {
    let loaded = load(&shipped("edge-filter.toml"), &HostFacts::default()).expect("valid");
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.policy.mode, Mode::Monitor);
    assert_eq!(loaded.policy.unlisted_ports, Unlisted::Pass);
    assert!(loaded.policy.services.is_empty());
}

#[test]
fn it_is_valid_with_every_example_of_it_in_force() {
    let path = shipped("edge-filter.toml");
    let read = filter_user::config::read_bounded;
    let loaded = load_from(
        &path,
        uncommented().as_bytes(),
        &read,
        &HostFacts::default(),
    );
    let loaded = loaded.unwrap_or_else(|errors| panic!("{:#?}", errors.diagnostics));
    assert_eq!(loaded.policy.mode, Mode::Monitor);
    assert_eq!(loaded.policy.services.len(), 1);
    assert_eq!(loaded.policy.lists.len(), 2);
}

#[test]
fn it_shows_every_key() {
    let text = uncommented();
    let shown: BTreeSet<_> = text
        .lines()
        .flat_map(|line| match line.split_once(" = ") {
            Some((key, _)) => vec![key],
            // `[[service.rate_limit.override]]`
            None => line.split(['[', ']', '.']).collect(),
        })
        .collect();
    for row in reference().lines() {
        let Some(key) = row
            .strip_prefix("| `")
            .and_then(|row| row.split('`').next())
        else {
            continue;
        };
        assert!(shown.contains(key), "{key}");
    }
}
