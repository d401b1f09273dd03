//! The fixture table, through `decide` on the host and through the loaded program.

use edge_filter_tests::events::Tap;
use edge_filter_tests::fixtures::{SERVICES, Unlisted, all, generation};
use edge_filter_tests::kernel::Tested;
use filter_common::event::Event;
use filter_common::verdict::{Action, Outcome};
use filter_ebpf::parse::describe::describe;
use filter_user::kernel::environment;
use filter_user::offline::Host;

/// Longer than any rate of the table takes to refill, and a whole number of both clocks' units.
const AGE_NS: u64 = 1_024_000_000_000;

fn found(outcome: Outcome, service: Option<u8>) -> String {
    let service = service.map_or("-", |number| SERVICES[usize::from(number)]);
    format!(
        "{}/{}/{service}",
        outcome.reason().label(),
        outcome.action().label()
    )
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
        let fixture = fixture.at(AGE_NS);
        let host = fixture.host(AGE_NS);
        for frame in &fixture.before {
            host.decide(&generation, frame);
        }
        let decision = host.decide(&generation, &fixture.frame);
        let found = found(decision.outcome(), decision.service());
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
        assert_eq!(decision.outcome(), Outcome::MALFORMED, "{length} bytes");
    }
}

#[test]
fn the_kernel_decides_as_the_table_says() {
    let mut tested = Tested::load().expect("the test object");
    judge_all(&mut tested, 0);
}

/// Some drivers put little of a frame into its first buffer, or nothing.
#[test]
fn it_does_so_however_little_the_first_buffer_holds() {
    let mut tested = Tested::load().expect("the test object");
    for (pass, bytes) in [14, 34, 41, 54, 62].into_iter().enumerate() {
        if !tested.set_first_buffer(bytes).expect("set") {
            assert!(linux() < (6, 18), "first buffers cannot be made short");
            return;
        }
        judge_all(&mut tested, pass);
    }
}

/// Version of the running kernel.
fn linux() -> (u32, u32) {
    let release = environment::release();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    let mut number = || numbers.next().and_then(|text| text.parse().ok());
    number().zip(number()).expect("two numbers")
}

/// Every row, with what is counted and told of it. A later pass happens later.
fn judge_all(tested: &mut Tested, pass: usize) {
    let already = tested.packets().expect("counted");
    let mut tap = Tap::open(tested, 1_000_000).expect("opened");
    let mut fixtures = all();
    fixtures.sort_by_key(|fixture| (fixture.unlisted as u8, fixture.is_monitor));
    let all = fixtures.len();
    let mut policy = None;
    let mut placed = None;
    let mut run = 0;
    for (number, fixture) in fixtures.iter().enumerate() {
        let wanted = (fixture.unlisted, fixture.is_monitor);
        if policy.replace(wanted) != Some(wanted) {
            let generation = generation(wanted.0, wanted.1);
            tested.place(&generation).expect("placed");
            placed = Some(generation);
        }
        let generation = placed.as_ref().expect("placed");
        let now_ns = AGE_NS * (pass * all + number + 1) as u64;
        let fixture = fixture.at(now_ns);
        let interface = fixture.interface;
        // The host says where each is to be counted: to read every counter takes milliseconds.
        let host = fixture.host(now_ns);
        let decision = fixture
            .within(tested, now_ns, |tested| {
                let mut judge = |tested: &mut Tested, frame: &[u8]| {
                    let decision = host.decide(generation, frame);
                    run += 1;
                    tested.run_at(frame, decision.counter(interface))?;
                    anyhow::Ok(decision)
                };
                for frame in &fixture.before {
                    judge(tested, frame)?;
                }
                tap.read()?;
                judge(tested, &fixture.frame)
            })
            .unwrap_or_else(|error| panic!("{}: {error:#}", fixture.name));
        let (service, outcome) = (decision.service(), decision.outcome());
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
    }
    assert_eq!(tested.packets().expect("counted") - already, run);
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
