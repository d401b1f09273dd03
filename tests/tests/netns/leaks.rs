//! Reloads under a flood: nothing is left of a policy that is no longer in force.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use edge_filter_tests::daemon::{Held, Host};
use edge_filter_tests::netns::Net;
use edge_filter_tests::netns::wait;

use crate::hostile::{Forger, MEMORY_BYTES, policy};

/// Before the first look: what is opened once is open then.
const WARM_UP: u32 = 10;

/// So many reloads, each so long after the one before at the least.
fn nothing_is_left(reloads: u32, pace: Duration) {
    let net = Net::new();
    let mut host = Host::start_with(&net.server, &policy("\"any\"", 7001));
    let memory = |host: &Host| host.metrics().value("process_resident_memory_bytes", &[]);
    let forger = Forger::new();
    let mut ever = BTreeSet::new();
    let began = Instant::now();
    let (before, first) = forger.during(&net, 3, || {
        let mut before = None;
        for reload in 0..reloads {
            let started = Instant::now();
            host.reload_with(&policy("\"any\"", 7001 + reload as u16 % 2));
            let held = Held::by(host.daemon());
            ever.extend(&Held::in_slots(&host));
            if reload == WARM_UP {
                before = Some((held, memory(&host)));
            }
            // A pace, not a wait: at least so long apart.
            thread::sleep(pace.saturating_sub(started.elapsed()));
        }
        before.expect("there were more")
    });
    let seconds = began.elapsed().as_secs();
    // Each reload made maps of its own, or this would see nothing.
    assert!(
        ever.len() > reloads as usize,
        "{} maps in {reloads} reloads",
        ever.len()
    );
    let left = wait::until("the maps of old policies to go", || {
        let in_slots = Held::in_slots(&host);
        ever.extend(&in_slots);
        (Held::living(&ever) == in_slots).then_some(in_slots)
    });
    let held = wait::until("connections to be closed", || {
        let held = Held::by(host.daemon());
        (held.descriptors <= before.descriptors).then_some(held)
    });
    assert_eq!(held.maps, before.maps);
    assert_eq!((held.programs, held.links), (before.programs, before.links));
    let now = memory(&host);
    assert!(now < first + MEMORY_BYTES, "{first} bytes, then {now}");
    assert!(forger.sent() > 0);
    let drops = [("action", "drop")];
    assert_eq!(host.metrics().sum("edge_filter_packets_total", &drops), 0.0);
    println!(
        "{reloads} reloads in {seconds} s under {} forged SYNs: {} maps made, {} left; held as \
         before: {} descriptors, {} maps; {first} bytes of memory, then {now}",
        forger.sent(),
        ever.len(),
        left.len(),
        before.descriptors,
        before.maps.len()
    );
    // Nor is anything left of all of it.
    host.ask(&["unload"]);
    host.daemon().wait();
    ever.extend(&before.maps);
    wait::until("every map to go", || {
        Held::living(&ever).is_empty().then_some(())
    });
}

#[test]
fn reloads_under_a_flood_leak_nothing() {
    nothing_is_left(60, Duration::ZERO);
}

#[test]
#[ignore = "takes a minute: cargo xtask soak"]
fn a_reload_every_100_ms_for_a_minute_leaks_nothing() {
    nothing_is_left(600, Duration::from_millis(100));
}
