//! Random policies and packets, judged by the loaded program and by the naive oracle: one
//! disagreement is a fault of one of them. Everything follows from the seed.

use std::net::IpAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use filter_common::addr::Address;
use filter_common::policy::UNKNOWN_INTERFACE;
use filter_common::verdict::{Action, Outcome};
use filter_ebpf::tables::Ends;
use filter_user::compile::{Generation, Ids, compile};
use filter_user::config::policy::Policy;
use filter_user::offline::Host;

use crate::built;
use crate::exceptions::{Exception, latest, worth};
use crate::kernel::{Tested, anonymous};
use crate::netns::raw::PacketSocket;
use crate::oracle::{Context, Flow, Oracle, Verdict};
use crate::random::Random;
use crate::scenario;

/// A unit of both clocks: 250 of 1.024 us, 16,000 of 16 ns.
pub const STEP_NS: u64 = 256_000;

/// A rate of the oracle's is refilled long before.
pub const AGES_NS: u64 = STEP_NS * 4_000_000;

/// One frame in so many comes again in all its beginnings: some hundred more.
const CUT_ONE_IN: usize = 400;

/// With services by number, which these policies have in order.
fn numbered(exceptions: &[(IpAddr, u8, Option<usize>, u64)]) -> Vec<Exception> {
    let numbered = |(address, length, service, expiry): &(IpAddr, u8, Option<usize>, u64)| {
        (*address, *length, service.map(|at| at as u8), *expiry)
    };
    exceptions.iter().map(numbered).collect()
}

fn ends((source, source_port, destination, port): &Flow) -> Ends {
    let address = |address: &IpAddr| match address {
        IpAddr::V4(address) => Address::V4(address.to_bits()),
        IpAddr::V6(address) => Address::V6 {
            upper: (address.to_bits() >> 64) as u64,
            lower: address.to_bits() as u64,
        },
    };
    Ends {
        source: address(source),
        destination: address(destination),
        source_port: source_port.to_be(),
        port: port.to_be(),
    }
}

/// What the program said, in the oracle's words.
pub fn verdict(outcome: Outcome, service: Option<u8>) -> Verdict {
    Verdict {
        reason: outcome.reason().label(),
        action: outcome.action().label(),
        service: service.map(usize::from),
    }
}

/// One policy with its context, and the packets that meet it.
pub struct Run {
    text: String,
    /// The policy.
    pub policy: Policy,
    /// The same, compiled.
    pub generation: Generation,
    /// What it meets; the clock goes on with each packet.
    pub context: Context,
    random: Random,
    /// Of a frame that was met whole: it comes again, cut short at every byte.
    beginnings: Vec<Vec<u8>>,
}

impl Run {
    /// Of a seed, with the clock at that.
    ///
    /// # Panics
    /// If a policy that was accepted does not compile.
    pub fn new(seed: u64, start_ns: u64) -> Self {
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
            beginnings: Vec::new(),
        }
    }

    fn bans(&self) -> Vec<Exception> {
        numbered(&self.context.bans)
    }

    fn allows(&self) -> Vec<Exception> {
        numbered(&self.context.allows)
    }

    /// With sockets of the host, of which a test run knows nothing.
    #[must_use]
    pub fn with_sockets(mut self) -> Self {
        scenario::sockets(&mut self.random, &mut self.context);
        self
    }

    /// Slot of the interface that packets come in by.
    pub fn slot(&self) -> Option<u32> {
        self.context.interface.map(|at| at as u32)
    }

    /// The same context, for the packet path in ordinary memory.
    pub fn host(&self) -> Host {
        self.host_of(Host::default())
    }

    /// The same in a host of another size.
    pub fn host_of(&self, mut host: Host) -> Host {
        host.interface = self.slot().unwrap_or(UNKNOWN_INTERFACE);
        host.exceptions = worth(&self.bans(), &self.allows());
        host.is_bypassed = self.context.is_bypassed;
        host.bans = latest(&self.bans(), false).into_iter().collect();
        host.allows = latest(&self.allows(), true).into_iter().collect();
        host.tcp = self.context.tcp.iter().map(ends).collect();
        host.udp_connected = self.context.udp.iter().map(ends).collect();
        host.udp_unconnected = self.context.udp_ports.iter().map(|p| p.to_be()).collect();
        host
    }

    /// The next packet, which may come a while later.
    #[expect(clippy::should_implement_trait, reason = "it never ends")]
    pub fn next(&mut self) -> Vec<u8> {
        if self.random.one_in(4) {
            self.context.now_ns += STEP_NS * self.random.below(400) as u64;
        }
        if let Some(short) = self.beginnings.pop() {
            return short;
        }
        let frame = match self.random.below(6) {
            0..=2 => return scenario::visit(&mut self.random, &self.policy),
            3..=4 => scenario::frame(&mut self.random),
            _ => scenario::built(&mut self.random),
        };
        if self.random.one_in(CUT_ONE_IN) {
            self.beginnings = built::truncations(&frame).collect();
        }
        frame
    }

    /// What is needed to understand a disagreement.
    pub fn describe(&self, seed: u64, frame: &[u8]) -> String {
        format!(
            "seed {seed}\n{}\n{:?}\nframe {frame:02x?}",
            self.text, self.context
        )
    }
}

/// Puts the policy and all that belongs to it into the kernel.
fn set_up(tested: &mut Tested, run: &Run) -> Result<()> {
    tested.place(&run.generation)?;
    tested.set_interface(run.slot());
    let bypass = if run.context.is_bypassed {
        u64::from(u32::MAX)
    } else {
        0
    };
    tested.set_exceptions(bypass, worth(&run.bans(), &run.allows()));
    for (map, entries) in entries(run) {
        for (key, expiry) in entries {
            tested.set_exception(map, &key, Some(expiry))?;
        }
    }
    Ok(())
}

fn tear_down(tested: &mut Tested, run: &Run) -> Result<()> {
    for (map, entries) in entries(run) {
        for (key, _) in entries {
            tested.set_exception(map, &key, None)?;
        }
    }
    Ok(())
}

type Entries = Vec<(filter_common::addr::SourceKey, u64)>;

fn entries(run: &Run) -> [(&'static str, Entries); 2] {
    [
        ("BANS", latest(&run.bans(), false).into_iter().collect()),
        ("ALLOWS", latest(&run.allows(), true).into_iter().collect()),
    ]
}

/// One policy and so many packets by test run, with both ways of `explain` beside them.
///
/// # Errors
/// A disagreement, with seed, policy and frame; or the kernel's refusal.
pub fn by_test_run(tested: &mut Tested, seed: u64, packets: usize, start_ns: u64) -> Result<()> {
    let mut run = Run::new(seed, start_ns);
    set_up(tested, &run)?;
    let mut oracle = Oracle::default();
    let mut host = run.host();
    let before = tested.packets()?;
    for _ in 0..packets {
        let frame = run.next();
        host.now_ns = run.context.now_ns;
        tested.set_clock(run.context.now_ns)?;
        let wanted = oracle.judge(&run.policy, &run.context, &frame);
        let described = || run.describe(seed, &frame);
        let asked = tested.ask(&frame).with_context(described)?;
        let offline = host.ask(&run.generation, &frame);
        ensure!(
            anonymous(asked) == offline,
            "explain: the kernel says {asked:?}, the host {offline:?}\n{}",
            described()
        );
        let decision = host.decide(&run.generation, &frame);
        let found = verdict(decision.outcome(), decision.service());
        ensure!(
            found == wanted && asked.outcome() == decision.outcome(),
            "the host says {found:?}, explain {:?}, the oracle {wanted:?}\n{}",
            asked.outcome(),
            described()
        );
        let interface = run.slot().unwrap_or(UNKNOWN_INTERFACE);
        let place = decision.counter(interface);
        tested.run_at(&frame, place).with_context(described)?;
    }
    let counted = tested.packets()? - before;
    ensure!(
        counted == packets as u64,
        "{packets} packets were counted {counted} times\nseed {seed}"
    );
    tear_down(tested, &run)
}

/// For a packet that passes to come out of the device behind the program.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longer frames are not sent: native XDP on veth takes no larger MTU everywhere.
const MTU: usize = 3000;

/// A veth pair in the calling thread's namespace with the program on one end.
pub struct Wire {
    outside: PacketSocket,
    inside: PacketSocket,
}

impl Wire {
    /// Makes it and attaches the program.
    ///
    /// # Errors
    /// `ip` or the kernel refuses.
    pub fn new(tested: &mut Tested) -> Result<Self> {
        // The kernel's own packets are not in the oracle's book.
        std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1")?;
        for arguments in [
            format!("link add v0 mtu {MTU} type veth peer name v1 mtu {MTU}"),
            "link set v0 up".into(),
            "link set v1 up".into(),
        ] {
            let status = Command::new("ip").args(arguments.split(' ')).status()?;
            ensure!(status.success(), "ip {arguments}");
        }
        tested.attach("v0")?;
        Ok(Self {
            outside: PacketSocket::open("v1"),
            inside: PacketSocket::open("v0"),
        })
    }

    /// Sends a frame; what the program counted it as. That it comes out behind the program if,
    /// and only if, it passes is seen to.
    fn judge(&self, tested: &mut Tested, frame: &[u8]) -> Result<(u32, Option<u8>, Outcome)> {
        self.outside.send(frame);
        let counted = tested.wait_for_count(frame, PATIENCE)?;
        let passes = counted.2.action() != Action::Drop && counted.2 != Outcome::FAULT;
        if passes && !is_lost_behind(frame) {
            let came = self.inside.receive(PATIENCE);
            ensure!(came.is_some(), "counted as passed, but did not come out");
        }
        Ok(counted)
    }

    /// That nothing more came out than was counted as passed.
    ///
    /// # Errors
    /// Something did.
    pub fn finish(self) -> Result<()> {
        let more = self.inside.receive(Duration::from_millis(200));
        ensure!(
            more.is_none(),
            "came out, but was counted as dropped: {more:02x?}"
        );
        Ok(())
    }
}

/// Whether Linux itself drops a frame that it was handed: with a VLAN tag, and not two bytes behind it
/// (`skb_vlan_untag` in net/core/skbuff.c), before anybody can receive it.
fn is_lost_behind(frame: &[u8]) -> bool {
    const TAG_ENDS: usize = 18;
    let is_tagged = matches!(frame.get(12..14), Some([0x81, 0x00] | [0x88, 0xa8]));
    is_tagged && frame.len() < TAG_ENDS + 2
}

/// The same with real packets over a wire; how many of them could be sent.
///
/// # Errors
/// As [`by_test_run`].
pub fn by_wire(
    tested: &mut Tested,
    wire: &Wire,
    seed: u64,
    packets: usize,
    start_ns: u64,
) -> Result<usize> {
    let mut run = Run::new(seed, start_ns);
    set_up(tested, &run)?;
    let mut oracle = Oracle::default();
    let mut sent = 0;
    for _ in 0..packets {
        let frame = run.next();
        if !(14..=MTU).contains(&frame.len()) {
            continue;
        }
        tested.set_clock(run.context.now_ns)?;
        let wanted = oracle.judge(&run.policy, &run.context, &frame);
        let described = || run.describe(seed, &frame);
        let (_, service, outcome) = wire.judge(tested, &frame).with_context(described)?;
        let found = verdict(outcome, service);
        ensure!(
            found == wanted,
            "the program says {found:?}, the oracle {wanted:?}\n{}",
            described()
        );
        sent += 1;
    }
    tear_down(tested, &run)?;
    Ok(sent)
}
