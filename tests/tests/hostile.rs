//! The loaded program against sources, lists and reloads that mean it no good, by test run.

use edge_filter_tests::frame::{self, flags};
use edge_filter_tests::kernel::Tested;
use edge_filter_tests::random::Random;
use filter_common::addr::Address;
use filter_common::sources::{Bucket, Seed, hash};
use filter_user::compile::{Generation, Ids, compile};
use filter_user::config::{HostFacts, Loaded, load_from};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

const START_NS: u64 = 1_000_000_000_000;
const SERVER: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
];

/// A policy whose list files all hold this text.
fn load(policy: &str, list: &str) -> Loaded {
    let read = |_: &Path| Ok(list.as_bytes().to_vec());
    let path = Path::new("hostile.toml");
    load_from(path, policy.as_bytes(), &read, &HostFacts::default())
        .unwrap_or_else(|errors| panic!("{errors}"))
}

fn generation(policy: &str, list: &str) -> Generation {
    let loaded = load(policy, list);
    compile(&loaded.policy, &Ids::in_order(&loaded.policy)).expect("compiles")
}

const LIMITED: &str = r#"
[[interface]]
name = "eth0"
[[service]]
name = "api"
ports = ["443/tcp"]
allow = ["any"]
[service.rate_limit]
connections_per_second = 1
burst = 2
"#;

fn limited() -> Tested {
    let mut tested = Tested::load().expect("the test object");
    tested.place(&generation(LIMITED, "")).expect("placed");
    tested.set_interface(Some(0));
    tested.set_clock(START_NS).expect("set");
    tested
}

fn segment(source: IpAddr, port: u16, set: u8) -> Vec<u8> {
    let server = SERVER[usize::from(source.is_ipv6())];
    frame::ip(source, server, 6, &frame::tcp(port, set))
}

fn syn(source: IpAddr) -> Vec<u8> {
    segment(source, 443, flags::SYN)
}

#[test]
fn a_million_sources_in_turn_refuse_nobody() {
    const SOURCES: u64 = 1_000_000;
    /// Who come again and again, within their rate: one between so many others.
    const BETWEEN: u64 = 1000;
    // One in a million shares its bucket with another, whose tag is the same: a burst of two is room
    // for both.
    let mut tested = limited();
    let before = tested.packets().expect("counted");
    let mut sent = 0;
    for n in 0..SOURCES {
        let stranger: IpAddr = match n % 2 {
            0 => Ipv4Addr::from_bits(0x0a00_0000 + n as u32).into(),
            _ => Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(n) << 64).into(),
        };
        assert!(tested.passes(&syn(stranger)).expect("run"), "{stranger}");
        sent += 1;
        if n % BETWEEN == 0 {
            // A hundred of them, and each comes round when it has its next connection again.
            tested
                .set_clock(START_NS + n / BETWEEN * 10_000_000)
                .expect("set");
            let regular = Ipv4Addr::from_bits(0xac10_0000 + (n / BETWEEN % 100) as u32);
            assert!(
                tested.passes(&syn(regular.into())).expect("run"),
                "{regular} after {n}"
            );
            sent += 1;
        }
    }
    assert_eq!(tested.packets().expect("counted") - before, sent);
    let evictions = tested.evictions().expect("counted");
    // Of 65,536 places: a hundred thousand come within the second that each of them keeps one.
    println!("{evictions} of {SOURCES} sources made room");
    assert!(evictions > 0, "there was room for all: nothing was tried");
}

#[test]
fn sources_chosen_for_a_guessed_key_are_as_good_as_random() {
    const CHOSEN: usize = 2000;
    const GUESS: Seed = Seed {
        words: [
            0x9e37_79b9_7f4a_7c15,
            0xbf58_476d_1ce4_e5b9,
            0x94d0_49bb_1331_11eb,
            4,
        ],
    };
    let mut tested = limited();
    let (sets, _) = tested.state().set_masks();
    let bucket = Bucket {
        service: 0,
        override_tag: 0,
    };
    // All in one set of the table, if the guess were right.
    let chosen: Vec<u32> = (0x0a00_0000..u32::MAX)
        .filter(|address| hash(&GUESS, bucket, Address::V4(*address)) & sets == 0)
        .take(CHOSEN)
        .collect();
    assert_eq!(chosen.len(), CHOSEN);
    let attack = |tested: &mut Tested| {
        let before = tested.evictions().expect("counted");
        for address in &chosen {
            let source = IpAddr::V4(Ipv4Addr::from_bits(*address));
            assert!(tested.passes(&syn(source)).expect("run"), "{source}");
        }
        tested.evictions().expect("counted") - before
    };
    // A quarter of a source in a set: nine of them in one happen once in some hundred million tries.
    assert_eq!(attack(&mut tested), 0);
    let drawn = tested.state().seed();
    assert_ne!(drawn, GUESS);
    tested.state().set_seed(GUESS);
    let evictions = attack(&mut tested);
    assert!(
        evictions > CHOSEN as u64 / 2,
        "no attack at all: {evictions}"
    );
}

/// In random order, each once.
fn shuffled<T>(mut all: Vec<T>, random: &mut Random) -> Vec<T> {
    for last in (1..all.len()).rev() {
        all.swap(last, random.below(last + 1));
    }
    all
}

/// Hosts of one family that stand alone: nothing can be merged.
fn hosts(count: u32, is_ipv6: bool) -> Vec<IpAddr> {
    let host = |n: u32| match is_ipv6 {
        // Every other address, over some thirty million of them.
        false => IpAddr::V4(Ipv4Addr::from_bits(0x1400_0000 + n * 34)),
        true => IpAddr::V6(Ipv6Addr::from_bits(
            0x2a00 << 112 | u128::from(n.wrapping_mul(0x9e37_79b1)) << 64 | u128::from(n * 2 + 1),
        )),
    };
    (0..count).map(host).collect()
}

/// Beside a host, and in no list.
fn neighbour(host: IpAddr) -> IpAddr {
    match host {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() + 1).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() + 1).into(),
    }
}

#[test]
fn sixty_four_services_with_a_million_hosts_of_each_family_in_random_order() {
    /// With the 64 prefixes of `deny` as many as there may be.
    const HOSTS: u32 = 1_000_000 - 64;
    let mut random = Random::new(4);
    let mut policy =
        String::from("[[interface]]\nname = \"eth0\"\n[prefix_list.all]\nfile = \"all.txt\"\n");
    for n in 0..64 {
        let _ = write!(
            policy,
            "[[service]]\nname = \"s{n}\"\nports = [\"{}/tcp\"]\nallow = [\"all\"]\n\
             deny = [\"20.0.{n}.0/24\"]\n",
            1000 + n
        );
    }
    let all = shuffled(
        [hosts(HOSTS, false), hosts(HOSTS, true)].concat(),
        &mut random,
    );
    let mut list = String::new();
    for host in &all {
        let _ = writeln!(list, "{host}");
    }
    let mut tested = Tested::load().expect("the test object");
    tested.place(&generation(&policy, &list)).expect("placed");
    tested.set_interface(Some(0));
    for host in all.iter().take(20_000) {
        let service = random.below(64) as u8;
        let port = 1000 + u16::from(service);
        let is_denied = matches!(host, IpAddr::V4(v4) if v4.octets()[..3] == [20, 0, service]);
        let wanted = !is_denied;
        let judged = tested
            .passes(&segment(*host, port, flags::ACK))
            .expect("run");
        assert_eq!(judged, wanted, "{host} at {port}");
        let beside = neighbour(*host);
        let judged = tested
            .passes(&segment(beside, port, flags::ACK))
            .expect("run");
        assert!(!judged, "{beside} at {port}");
    }
}

#[test]
fn a_million_lines_that_are_no_prefixes_are_answered_with_a_page() {
    let mut random = Random::new(5);
    let mut list = String::new();
    for host in shuffled(hosts(1_000_000, false), &mut random) {
        // With bits behind the prefix.
        let _ = writeln!(list, "{}/24", neighbour(host));
    }
    let read = |_: &Path| Ok(list.as_bytes().to_vec());
    let policy = "[[interface]]\nname = \"eth0\"\n[prefix_list.all]\nfile = \"all.txt\"\n\
                  [[service]]\nname = \"s\"\nports = [\"1/tcp\"]\nallow = [\"all\"]\n";
    let path = Path::new("hostile.toml");
    let loaded = load_from(path, policy.as_bytes(), &read, &HostFacts::default());
    let Err(errors) = loaded else {
        panic!("not one of its lines is a prefix");
    };
    let text = errors.to_string();
    assert!(text.contains("all.txt:1:1"), "{text}");
    assert!(text.len() < 32 << 10, "{} bytes of errors", text.len());
}
