//! What holds for every text: it is answered, never with a panic, and what is accepted can be
//! counted by the packet program.

use filter_common::gcra;
use filter_user::config::{HostFacts, load_from, render};
use proptest::prelude::*;
use std::path::Path;

const EXAMPLE: &str = include_str!("../../config/example.toml");
const PARTNERS: &str = include_str!("../../config/partners.txt");

/// Cuts and insertions, as a hand or a broken template makes them.
fn edited(text: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let fragment = prop_oneof![
        any::<Vec<u8>>().prop_map(|mut bytes| {
            bytes.truncate(8);
            bytes
        }),
        prop::sample::select(vec![
            "\"",
            "[",
            "]",
            "[[",
            "=",
            "\n",
            "\r\n",
            "#",
            "{",
            ",",
            "'''",
            "\u{feff}",
            "ü",
            "nan",
            "inf",
            "-1",
            "99999999999999999999",
            "0x10",
            "any",
            "::ffff:192.0.2.1/120",
            "/",
            "-",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    let edit = (any::<prop::sample::Index>(), 0..40usize, fragment);
    prop::collection::vec(edit, 0..5).prop_map(|edits| {
        let mut bytes = text.as_bytes().to_vec();
        for (at, cut, fragment) in edits {
            let at = at.index(bytes.len() + 1);
            let end = (at + cut).min(bytes.len());
            bytes.splice(at..end, fragment);
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_text_is_answered(config in edited(EXAMPLE), list in edited(PARTNERS)) {
        let read = |_: &Path| Ok(list.clone());
        let host = HostFacts { forwarding: true, ..HostFacts::default() };
        match load_from(Path::new("c.toml"), &config, &read, &host) {
            Ok(loaded) => { render(&loaded.warnings, true); }
            Err(errors) => {
                prop_assert!(!errors.diagnostics.is_empty());
                for diagnostic in &errors.diagnostics {
                    diagnostic.to_json();
                    if let Some(place) = &diagnostic.place {
                        prop_assert!(place.excerpt.get(place.excerpt_span.clone()).is_some());
                    }
                }
                prop_assert!(!render(&errors.diagnostics, true).is_empty());
            }
        }
    }

    #[test]
    fn what_is_accepted_can_be_counted(
        connections in 1e-5..2e4f64,
        packets in 0.1..2e7f64,
        seconds in 0.001..20_000f64,
    ) {
        let text = format!(
            "[[interface]]\nname = \"eth0\"\n[[service]]\nname = \"s\"\nports = [\"1/tcp\"]\n\
             allow = [\"any\"]\n[service.rate_limit]\nconnections_per_second = {connections:?}\n\
             burst = {:?}\npackets_per_second = {packets:?}\npacket_burst = {:?}\n",
            connections * seconds,
            packets * seconds,
        );
        let read = |_: &Path| unreachable!("no list is named");
        let loaded = load_from(Path::new("c"), text.as_bytes(), &read, &HostFacts::default());
        if let Ok(loaded) = loaded {
            let limit = loaded.policy.services[0].rate_limit.as_ref().expect("a limit");
            for (kind, rate) in [
                (gcra::Kind::Connection, limit.connections),
                (gcra::Kind::Packet, limit.packets),
            ] {
                let rate = rate.expect("a rate");
                let counted = gcra::Rate::new(kind, rate.per_second, rate.burst).expect("countable");
                let effective = counted.effective_per_second(kind);
                prop_assert!((effective / rate.per_second - 1.0).abs() < 0.005);
            }
        }
    }
}
