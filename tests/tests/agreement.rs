//! `decide` against the naive oracle: on the host, and in the kernel.

use edge_filter_tests::exceptions::{Exception, latest, worth};
use edge_filter_tests::kernel::{Tested, anonymous};
use edge_filter_tests::oracle::{Context, Oracle, Verdict};
use edge_filter_tests::random::Random;
use edge_filter_tests::scenario;
use filter_common::policy::UNKNOWN_INTERFACE;
use filter_common::verdict::Outcome;
use filter_user::compile::{Generation, Ids, compile};
use filter_user::offline::Host;
use std::net::IpAddr;

/// Policies, and packets under each.
const HOST: (u64, usize) = (500, 240);
const KERNEL: (u64, usize) = (60, 200);
/// A unit of both clocks: 250 of 1.024 us, 16,000 of 16 ns.
const STEP_NS: u64 = 256_000;

/// A rate of the oracle's is refilled long before.
const AGES_NS: u64 = STEP_NS * 4_000_000;

/// With services by number, which these policies have in order.
fn numbered(exceptions: &[(IpAddr, u8, Option<usize>, u64)]) -> Vec<Exception> {
    let numbered = |(address, length, service, expiry): &(IpAddr, u8, Option<usize>, u64)| {
        (*address, *length, service.map(|at| at as u8), *expiry)
    };
    exceptions.iter().map(numbered).collect()
}

fn verdict(outcome: Outcome, service: Option<u8>) -> Verdict {
    Verdict {
        reason: outcome.reason().label(),
        action: outcome.action().label(),
        service: service.map(usize::from),
    }
}

/// One policy with its context, and the packets that meet it.
struct Run {
    text: String,
    policy: filter_user::config::policy::Policy,
    generation: Generation,
    context: Context,
    random: Random,
}

impl Run {
    fn new(seed: u64, start_ns: u64) -> Self {
        let mut random = Random::new(seed);
        let (text, policy) = scenario::policy(&mut random);
        let generation = compile(&policy, &Ids::in_order(&policy)).expect("compiles");
        let mut context = scenario::context(&mut random, &policy);
        context.now_ns = start_ns;
        for exception in context.bans.iter_mut().chain(&mut context.allows) {
            exception.3 += start_ns;
        }
        Self {
            text,
            policy,
            generation,
            context,
            random,
        }
    }

    fn bans(&self) -> Vec<Exception> {
        numbered(&self.context.bans)
    }

    fn allows(&self) -> Vec<Exception> {
        numbered(&self.context.allows)
    }

    fn slot(&self) -> Option<u32> {
        self.context.interface.map(|at| at as u32)
    }

    /// The same context, for the packet path in ordinary memory.
    fn host(&self) -> Host {
        let mut host = Host::default();
        host.interface = self.slot().unwrap_or(UNKNOWN_INTERFACE);
        host.exceptions = worth(&self.bans(), &self.allows());
        host.is_bypassed = self.context.is_bypassed;
        host.bans = latest(&self.bans(), false).into_iter().collect();
        host.allows = latest(&self.allows(), true).into_iter().collect();
        host
    }

    fn next(&mut self) -> Vec<u8> {
        if self.random.one_in(4) {
            self.context.now_ns += STEP_NS * self.random.below(400) as u64;
        }
        if self.random.one_in(2) {
            scenario::visit(&mut self.random, &self.policy)
        } else {
            scenario::frame(&mut self.random)
        }
    }

    fn describe(&self, seed: u64, frame: &[u8]) -> String {
        format!(
            "seed {seed}\n{}\n{:?}\nframe {frame:02x?}",
            self.text, self.context
        )
    }
}

#[test]
fn the_host_agrees_with_the_oracle() {
    let mut seen = std::collections::BTreeMap::new();
    for seed in 0..HOST.0 {
        let mut run = Run::new(seed, AGES_NS);
        let mut host = run.host();
        let mut oracle = Oracle::default();
        for _ in 0..HOST.1 {
            let frame = run.next();
            host.now_ns = run.context.now_ns;
            let wanted = oracle.judge(&run.policy, &run.context, &frame);
            let decision = host.decide(&run.generation, &frame);
            let found = verdict(decision.outcome, decision.service());
            assert_eq!(found, wanted, "{}", run.describe(seed, &frame));
            *seen.entry((wanted.reason, wanted.action)).or_insert(0) += 1;
        }
        assert_eq!(host.notes.get(), [0; 2], "no source was evicted");
    }
    assert_eq!(seen.values().sum::<usize>(), 120_000);
    let reasons: std::collections::BTreeSet<_> = seen.keys().map(|(reason, _)| reason).collect();
    // All but `no_policy` and `fault`, which no sound policy gives.
    assert_eq!(reasons.len(), 13, "{seen:?}");
    println!("{seen:?}");
}

#[test]
fn the_kernel_agrees_with_the_oracle() {
    let mut tested = Tested::load().expect("the test object");
    for seed in 0..KERNEL.0 {
        let mut run = Run::new(1_000_000 + seed, AGES_NS * (seed + 1));
        tested.place(&run.generation).expect("placed");
        tested.set_interface(run.slot());
        let bypass = if run.context.is_bypassed {
            u64::from(u32::MAX)
        } else {
            0
        };
        tested.set_exceptions(bypass, worth(&run.bans(), &run.allows()));
        let exceptions = [
            ("BANS", latest(&run.bans(), false)),
            ("ALLOWS", latest(&run.allows(), true)),
        ];
        for (map, entries) in &exceptions {
            for (key, expiry) in entries {
                tested.set_exception(map, key, Some(*expiry)).expect("set");
            }
        }
        let mut oracle = Oracle::default();
        // `explain` has two ways to an answer: both go with the packets.
        let mut host = run.host();
        for _ in 0..KERNEL.1 {
            let frame = run.next();
            host.now_ns = run.context.now_ns;
            tested.set_clock(run.context.now_ns).expect("set");
            let wanted = oracle.judge(&run.policy, &run.context, &frame);
            let asked = tested.ask(&frame).expect("an answer");
            let offline = host.ask(&run.generation, &frame);
            assert_eq!(anonymous(asked), offline, "{}", run.describe(seed, &frame));
            host.decide(&run.generation, &frame);
            let (interface, service, outcome) = tested
                .run(&frame)
                .unwrap_or_else(|error| panic!("{error:#}\n{}", run.describe(seed, &frame)));
            assert_eq!(interface, run.slot().unwrap_or(UNKNOWN_INTERFACE));
            let found = verdict(outcome, service);
            assert_eq!(found, wanted, "{}", run.describe(seed, &frame));
            assert_eq!(asked.outcome(), outcome);
        }
        for (map, entries) in &exceptions {
            for (key, _) in entries {
                tested.set_exception(map, key, None).expect("removed");
            }
        }
    }
}

#[test]
fn the_verifier_reads_less_than_half_of_what_it_may() {
    let mut tested = Tested::load().expect("the test object");
    for program in ["edge_filter", "edge_filter_explain"] {
        let instructions = tested.verified_instructions(program).expect("a count");
        println!("{program}: {instructions} instructions");
        assert!(
            instructions < 500_000,
            "{program}: {instructions} of 1,000,000"
        );
    }
}

#[test]
fn the_program_loads_with_its_log_wide_open() {
    Tested::load_with_log(5).expect("the stack has room for it");
}
