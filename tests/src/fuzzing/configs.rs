//! Texts of configurations, with the text of a list behind the first zero byte, through all that
//! `check` does.

use super::{assert_harmless, files};
use filter_user::compile::{self, compile};
use filter_user::config::{Diagnostic, HostFacts, Loaded, Places, Summary, load_from, render};
use filter_user::report::Memory;
use std::path::Path;

/// Texts that nobody vouches for.
pub fn run(bytes: &[u8]) {
    let (config, list) = match bytes.iter().position(|byte| *byte == 0) {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, &[][..]),
    };
    let host = HostFacts {
        forwarding: list.len() % 2 == 1,
        ..HostFacts::default()
    };
    let read = |_: &Path| Ok(list.to_vec());
    match load_from(Path::new("config.toml"), config, &read, &host) {
        Ok(loaded) => accepted(&loaded, &host),
        Err(errors) => {
            assert!(!errors.diagnostics.is_empty(), "refused without a word");
            said(&errors.diagnostics);
        }
    }
}

/// It is written out, kept and read again, and compiled.
fn accepted(loaded: &Loaded, host: &HostFacts) {
    said(&loaded.warnings);
    assert_harmless(&Summary::new(&loaded.policy).to_string(), &['\n']);
    assert!(Places::new(loaded).is_some(), "its text has no places");
    let kept = |path: &Path| {
        let source = loaded.sources.iter().find(|source| source.path == path);
        Ok(source.expect("each list is kept").text.clone().into_bytes())
    };
    let config = &loaded.sources[0];
    let again = load_from(&config.path, config.text.as_bytes(), &kept, host);
    assert_eq!(again.expect("it was valid").policy, loaded.policy);
    match compile(&loaded.policy, &compile::Ids::in_order(&loaded.policy)) {
        Ok(generation) => {
            Memory::of(&generation.summary, &loaded.policy);
        }
        Err(error) => assert_harmless(&error.to_string(), &[]),
    }
}

/// What is said can be shown.
pub(super) fn said(diagnostics: &[Diagnostic]) {
    for diagnostic in diagnostics {
        diagnostic.to_json();
        for place in [&diagnostic.place, &diagnostic.also].into_iter().flatten() {
            let excerpt = place.excerpt.get(place.excerpt_span.clone());
            assert!(excerpt.is_some(), "a caret beside its line: {place:?}");
        }
    }
    let text = render(diagnostics, false);
    assert!(text.is_empty() == diagnostics.is_empty());
    assert_harmless(&text, &['\n']);
    render(diagnostics, true);
}

/// The shipped configurations, and each that the tests of error messages have.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = files("config", ".toml");
    seeds.extend(files("filter-user/tests/config", ".toml"));
    let lists = files("filter-user/tests/config", ".list");
    let with_list = b"[[interface]]\nname = \"a\"\n[prefix_list.l]\nfile = \"l\"\n\
        [[service]]\nname = \"s\"\nports = [\"1/tcp\"]\nallow = [\"l\"]\n\0";
    let shipped = files("config", "partners.txt");
    let lists = lists.iter().chain(&shipped);
    seeds.extend(lists.map(|list| [&with_list[..], list].concat()));
    let mut random = crate::random::Random::new(0);
    let policies = (0..100).map(|_| crate::scenario::policy(&mut random).0);
    seeds.extend(policies.map(String::into_bytes));
    seeds
}
