//! `decide` against the naive oracle: on the host, and in the kernel.

use edge_filter_tests::differential::{AGES_NS, Run, Wire, by_test_run, by_wire, verdict};
use edge_filter_tests::kernel::Tested;
use edge_filter_tests::oracle::{Context, Oracle};

/// Policies, and packets under each.
const HOST: (u64, usize) = (500, 240);
const KERNEL: (u64, usize) = (60, 200);
const WIRE: (u64, usize) = (10, 200);
const _: () = {
    assert!(HOST.0 as usize * HOST.1 >= 100_000);
    assert!(KERNEL.0 as usize * KERNEL.1 >= 10_000);
};

#[test]
fn the_host_agrees_with_the_oracle() {
    let mut seen = std::collections::BTreeMap::new();
    let (mut answers, mut turned) = (0, 0);
    for seed in 0..HOST.0 {
        let mut run = Run::new(seed, AGES_NS).with_sockets();
        let fixed = &run.generation.fixed;
        turned += usize::from(fixed.settings.has_turned4 == 1);
        let mut host = run.host();
        let mut oracle = Oracle::default();
        for _ in 0..HOST.1 {
            let frame = run.next();
            host.now_ns = run.context.now_ns;
            let wanted = oracle.judge(&run.policy, &run.context, &frame);
            let decision = host.decide(&run.generation, &frame);
            let found = verdict(decision.outcome(), decision.service());
            assert_eq!(found, wanted, "{}", run.describe(seed, &frame));
            // Without its sockets it is another's answer.
            if wanted.reason == "reply" {
                let nobody = Context {
                    tcp: Vec::new(),
                    udp: Vec::new(),
                    udp_ports: Vec::new(),
                    ..run.context.clone()
                };
                let verdict = Oracle::default().judge(&run.policy, &nobody, &frame);
                answers += usize::from(verdict.reason != "reply");
            }
            *seen.entry((wanted.reason, wanted.action)).or_insert(0) += 1;
        }
        assert_eq!(host.notes.get(), [0; 2], "no source was evicted");
    }
    assert_eq!(seen.values().sum::<usize>(), 120_000);
    let reasons: std::collections::BTreeSet<_> = seen.keys().map(|(reason, _)| reason).collect();
    // All but `no_policy` and `fault`, which no sound policy gives.
    assert_eq!(reasons.len(), 13, "{seen:?}");
    assert!(answers > 300, "{answers} packets for a socket");
    assert!(turned > 30, "{turned} policies with bits for IPv4 networks");
    println!("{seen:?}, {answers} for a socket");
}

#[test]
fn the_kernel_agrees_with_the_oracle() {
    let mut tested = Tested::load().expect("the test object");
    for seed in 0..KERNEL.0 {
        by_test_run(
            &mut tested,
            1_000_000 + seed,
            KERNEL.1,
            AGES_NS * (seed + 1),
        )
        .unwrap_or_else(|error| panic!("{error:#}"));
    }
}

#[test]
fn real_packets_are_judged_as_the_oracle_says() {
    let mut tested = Tested::load().expect("the test object");
    let wire = Wire::new(&mut tested).expect("a wire");
    let mut sent = 0;
    for seed in 0..WIRE.0 {
        sent += by_wire(
            &mut tested,
            &wire,
            2_000_000 + seed,
            WIRE.1,
            AGES_NS * (seed + 1),
        )
        .unwrap_or_else(|error| panic!("{error:#}"));
    }
    wire.finish().expect("nothing more");
    assert!(sent > 1000, "{sent}");
}

#[test]
fn the_verifier_reads_less_than_half_of_what_it_may() {
    let mut tested = Tested::load().expect("the test object");
    // Of the two that differ in one flag the kernel takes one.
    let programs = tested.loaded_programs();
    assert!(programs.len() >= 2, "{programs:?}");
    for program in programs {
        let instructions = tested.verified_instructions(&program).expect("a count");
        println!("{program}: {instructions} instructions");
        assert!(
            instructions < 500_000,
            "{program}: {instructions} of 1,000,000"
        );
    }
}

#[test]
fn the_log_wide_open_has_room_and_shut_leaves_nothing_behind() {
    let size = |level| {
        let tested = Tested::load_with_log(level);
        let mut tested = tested.expect("the stack has room for it");
        tested.size("edge_filter").expect("a size")
    };
    let (shut, faults, open) = (size(0), size(1), size(5));
    // What is not asked for is not there at run time, not even the question whether it is.
    assert!(shut < faults && faults < open, "{shut} {faults} {open}");
}
