//! The fixture table, through `decide` on the host and through the loaded program.

use edge_filter_tests::events::Tap;
use edge_filter_tests::exceptions::{latest, worth};
use edge_filter_tests::fixtures::{Fixture, SERVICES, Unlisted, all, config};
use edge_filter_tests::kernel::Tested;
use filter_common::event::Event;
use filter_common::policy::UNKNOWN_INTERFACE;
use filter_common::verdict::{Action, Outcome};
use filter_ebpf::parse::describe::describe;
use filter_user::compile::{Generation, Ids, compile};
use filter_user::config::{HostFacts, load_from};
use filter_user::offline::Host;
use std::path::Path;

/// Longer than any rate of the table takes to refill, and a whole number of both clocks' units.
const AGE_NS: u64 = 1_024_000_000_000;

fn generation(unlisted: Unlisted, is_monitor: bool) -> Generation {
    let read = |_: &Path| Err(std::io::Error::other("no files here"));
    let text = config(unlisted, is_monitor);
    let path = Path::new("fixtures.toml");
    let loaded = load_from(path, text.as_bytes(), &read, &HostFacts::default())
        .unwrap_or_else(|errors| panic!("{errors}"));
    let names: Vec<_> = loaded
        .policy
        .services
        .iter()
        .map(|service| &service.name)
        .collect();
    assert_eq!(names, SERVICES);
    compile(&loaded.policy, &Ids::in_order(&loaded.policy)).expect("compiles")
}

fn found(outcome: Outcome, service: Option<u8>) -> String {
    let service = service.map_or("-", |number| SERVICES[usize::from(number)]);
    format!(
        "{}/{}/{service}",
        outcome.reason().label(),
        outcome.action().label()
    )
}

/// The table's exceptions, with the times that they last counted from `now_ns`.
fn at(now_ns: u64, fixture: &Fixture) -> Fixture {
    let mut fixture = fixture.clone();
    for exception in fixture.bans.iter_mut().chain(&mut fixture.allows) {
        exception.3 += now_ns;
    }
    fixture
}

#[test]
fn names_are_distinct_and_there_are_enough() {
    let mut names: Vec<_> = all().into_iter().map(|fixture| fixture.name).collect();
    assert!(names.len() >= 250, "{}", names.len());
    names.sort();
    for pair in names.windows(2) {
        assert_ne!(pair[0], pair[1]);
    }
}

#[test]
fn the_host_decides_as_the_table_says() {
    for fixture in all() {
        let generation = generation(fixture.unlisted, fixture.is_monitor);
        let mut host = Host::default();
        let fixture = at(host.now_ns, &fixture);
        host.interface = fixture.interface;
        host.is_bypassed = fixture.is_bypassed;
        host.exceptions = worth(&fixture.bans, &fixture.allows);
        host.bans = latest(&fixture.bans, false).into_iter().collect();
        host.allows = latest(&fixture.allows, true).into_iter().collect();
        for frame in &fixture.before {
            host.decide(&generation, frame);
        }
        let decision = host.decide(&generation, &fixture.frame);
        let found = found(decision.outcome, decision.service());
        assert_eq!(
            found, fixture.expected,
            "{}: {:02x?}",
            fixture.name, fixture.frame
        );
    }
}

#[test]
fn frames_shorter_than_a_header_are_malformed() {
    let generation = generation(Unlisted::Pass, false);
    for length in 0..14 {
        let decision = Host::default().decide(&generation, &vec![0; length]);
        assert_eq!(decision.outcome, Outcome::MALFORMED, "{length} bytes");
    }
}

#[test]
fn the_kernel_decides_as_the_table_says() {
    let mut tested = Tested::load().expect("the test object");
    let mut tap = Tap::open(&tested, 1_000_000).expect("opened");
    let mut fixtures = all();
    fixtures.sort_by_key(|fixture| (fixture.unlisted as u8, fixture.is_monitor));
    let mut placed = None;
    for (number, fixture) in fixtures.iter().enumerate() {
        let policy = (fixture.unlisted, fixture.is_monitor);
        if placed != Some(policy) {
            tested
                .place(&generation(policy.0, policy.1))
                .expect("placed");
            placed = Some(policy);
        }
        let now_ns = AGE_NS * (number as u64 + 1);
        let fixture = at(now_ns, fixture);
        tested.set_clock(now_ns).expect("set");
        tested.set_interface(Some(fixture.interface).filter(|slot| *slot != UNKNOWN_INTERFACE));
        let bypass = if fixture.is_bypassed {
            u64::from(u32::MAX)
        } else {
            0
        };
        tested.set_exceptions(bypass, worth(&fixture.bans, &fixture.allows));
        let exceptions = [
            ("BANS", latest(&fixture.bans, false)),
            ("ALLOWS", latest(&fixture.allows, true)),
        ];
        for (map, entries) in &exceptions {
            for (key, expiry) in entries {
                tested.set_exception(map, key, Some(*expiry)).expect("set");
            }
        }
        for frame in &fixture.before {
            tested
                .run(frame)
                .unwrap_or_else(|error| panic!("{}: {error:#}", fixture.name));
        }
        tap.read().expect("read");
        let (interface, service, outcome) = tested
            .run(&fixture.frame)
            .unwrap_or_else(|error| panic!("{}: {error:#}", fixture.name));
        assert_eq!(interface, fixture.interface, "{}", fixture.name);
        let found = found(outcome, service);
        assert_eq!(
            found, fixture.expected,
            "{}: {:02x?}",
            fixture.name, fixture.frame
        );
        let mut events = tap.read().expect("read");
        for event in &mut events {
            assert!(event.generation > 0);
            event.generation = 0;
        }
        let wanted = event(now_ns, interface, service, outcome, &fixture.frame);
        let wanted: Vec<_> = wanted.into_iter().collect();
        assert_eq!(events, wanted, "{}: {:02x?}", fixture.name, fixture.frame);
        for (map, entries) in &exceptions {
            for (key, _) in entries {
                tested.set_exception(map, key, None).expect("removed");
            }
        }
    }
}

/// The one event of a packet that ends, or would, but for the generation.
fn event(
    now_ns: u64,
    interface: u32,
    service: Option<u8>,
    outcome: Outcome,
    frame: &[u8],
) -> Option<Event> {
    let mut event = Event {
        time_ns: now_ns,
        packet_length: frame.len() as u32,
        generation: 0,
        interface_index: 1,
        outcome: outcome.number(),
        service: service.unwrap_or(0),
        interface: interface as u8,
        ..Event::default()
    };
    describe(frame, &mut event);
    (outcome.action() != Action::Pass).then_some(event)
}
