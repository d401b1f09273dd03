//! Slots of generations are used again while packets are judged: none meets another policy's
//! tables.

use aya::programs::{TestRun as _, TestRunOptions};
use edge_filter_tests::frame::{self, flags};
use edge_filter_tests::kernel::Tested;
use filter_common::verdict::Outcome;
use filter_user::compile::{Generation, Ids, compile};
use filter_user::config::{HostFacts, load_from};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

/// Of each of two packets.
const PACKETS: u64 = 5_000_000;
/// However fast packets are judged.
const RELOADS: u32 = 20;
/// Of one frame in a row. Each is a test run of its own: one that repeats waits for every processor
/// before and after (`bpf_prog_change_xdp`), and then hardly any packet meets a reload.
const IN_A_ROW: u64 = 250;

/// Source 10 may ask port 1000 and 11 port 2000 in both; in one by the first service, in the other
/// by the second, whose numbers, classes and lists change places.
fn policy(is_second: bool) -> Generation {
    let [first, second] = match is_second {
        false => [(1000, 10), (2000, 11)],
        true => [(2000, 11), (1000, 10)],
    };
    let service = |name, (port, host)| {
        format!(
            "[[service]]\nname = \"{name}\"\nports = [\"{port}/tcp\"]\n\
             allow = [\"10.0.0.{host}\", \"2001:db8::{host}\"]\n"
        )
    };
    let text = format!(
        "[[interface]]\nname = \"eth0\"\n{}{}",
        service("alpha", first),
        service("beta", second)
    );
    let read = |_: &Path| Err(std::io::Error::other("no files here"));
    let path = Path::new("slots.toml");
    let loaded = load_from(path, text.as_bytes(), &read, &HostFacts::default())
        .unwrap_or_else(|errors| panic!("{errors}"));
    compile(&loaded.policy, &Ids::in_order(&loaded.policy)).expect("compiles")
}

/// Frames of 10.0.0.10 or its IPv6 counterpart to this port.
fn probes(port: u16) -> [Vec<u8>; 2] {
    let ack = frame::tcp(port, flags::ACK);
    [("10.0.0.10", "192.0.2.1"), ("2001:db8::10", "2001:db8::1")].map(|(source, server)| {
        let [source, server]: [IpAddr; 2] = [source, server].map(|text| text.parse().expect("one"));
        frame::ip(source, server, 6, &ack)
    })
}

/// The calling thread on the processor of that number, if there are two.
fn settle(number: usize) {
    let allowed = sched_getaffinity(None).expect("asked");
    let all: Vec<usize> = (0..CpuSet::MAX_CPU)
        .filter(|cpu| allowed.is_set(*cpu))
        .collect();
    let mut one = CpuSet::new();
    one.set(all[number % all.len()]);
    sched_setaffinity(None, &one).expect("set");
}

#[test]
fn ten_million_packets_while_slots_are_used_again_and_none_is_judged_wrong() {
    let mut tested = Tested::load().expect("the test object");
    let policies = [policy(false), policy(true)];
    tested.place(&policies[0]).expect("placed");
    tested.set_interface(Some(0));
    let hand = tested.another_hand().expect("another handle");
    let is_over = AtomicBool::new(false);
    let judged = AtomicU64::new(0);
    let judge = || {
        settle(0);
        while !is_over.load(Ordering::Acquire) {
            for (frames, wanted) in [(probes(1000), 2), (probes(2000), 1)] {
                for frame in frames {
                    for _ in 0..IN_A_ROW {
                        let options = TestRunOptions {
                            data_in: Some(&frame),
                            repeat: 1,
                            ..Default::default()
                        };
                        let ran = hand.test_run(options).expect("run");
                        assert_eq!(ran.return_value, wanted, "of {frame:02x?}");
                    }
                }
            }
            judged.fetch_add(IN_A_ROW * 2, Ordering::AcqRel);
        }
    };
    let mut reloads = 0;
    thread::scope(|scope| {
        let judging = scope.spawn(judge);
        // Not inherited by a thread that is there already.
        settle(1);
        while judged.load(Ordering::Acquire) < PACKETS || reloads < RELOADS {
            reloads += 1;
            tested
                .place(&policies[reloads as usize % 2])
                .expect("placed");
            assert!(!judging.is_finished(), "a packet was judged wrong");
        }
        is_over.store(true, Ordering::Release);
    });
    // Each was counted as what it was told to be.
    let each = judged.into_inner();
    let mut counted = [0; 2];
    for found in tested.counters().expect("read") {
        match found.outcome {
            Outcome::ALLOWED => counted[0] += found.count.packets,
            Outcome::NOT_ALLOWED => counted[1] += found.count.packets,
            other => panic!("{} counted as {other:?}", found.count.packets),
        }
    }
    println!("{each} packets of each kind during {reloads} reloads");
    assert_eq!(counted, [each, each]);
}
