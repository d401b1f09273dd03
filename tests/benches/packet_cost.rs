//! What a packet and a reload cost. Nothing is attached: packets go through the loaded program
//! by test run, in nanoseconds of this thread's CPU time; medians of nine rounds, the cases of a
//! round interleaved. `cargo bench -p edge-filter-tests --bench packet_cost`, as root, pinned to
//! one CPU by `taskset -c 1`.

use aya::programs::{TestRun as _, TestRunOptions, Xdp};
use filter_user::compile::{Ids, compile};
use filter_user::config::{HostFacts, load_from};
use filter_user::kernel::generations::Placement;
use filter_user::kernel::{Kernel, Options};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use rustix::time::{ClockId, clock_gettime};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

const ROUNDS: usize = 9;
const REPEAT: u32 = 1_000_000;

fn main() {
    let folder = tempfile::tempdir().expect("temporary folder");
    // SAFETY: there is one thread.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.expect("needs root");
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).expect("private mounts");
    mount("bpf", folder.path(), "bpf", MountFlags::empty(), None).expect("bpffs");
    let object = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bpf/edge-filter.o");
    let object = std::fs::read(object).expect("cargo xtask build");
    let options = Options {
        pin_path: folder.path().join("edge"),
        tracked_sources: 1_000_000,
        log_level: 0,
    };
    let mut kernel = Kernel::open(&object, &options).expect("loads");
    println!("| prefixes of each family | read, parse | compile | place | tables |");
    println!("|---|---|---|---|---|");
    let mut rows = Vec::new();
    for prefixes in sizes() {
        rows.push(measure(&mut kernel, prefixes));
    }
    println!("\n| ns a packet | 100 | 10,000 | 1,000,000 |\n|---|---|---|---|");
    for (at, (name, _)) in cases(0, 0).iter().enumerate() {
        let costs: Vec<_> = rows.iter().map(|row| format!("{:.1}", row[at])).collect();
        println!("| {name} | {} |", costs.join(" | "));
    }
}

/// Those of the arguments, or three.
fn sizes() -> Vec<usize> {
    let given: Vec<_> = std::env::args()
        .filter_map(|size| size.parse().ok())
        .collect();
    if given.is_empty() {
        vec![100, 10_000, 1_000_000]
    } else {
        given
    }
}

/// Puts a policy of so many prefixes in force, and times each case under it.
fn measure(kernel: &mut Kernel, prefixes: usize) -> Vec<f64> {
    let (list, v4, v6) = list(prefixes);
    let config = b"[[interface]]\nname = \"eth0\"\n[prefix_list.many]\nfile = \"many.txt\"\n\
        [[service]]\nname = \"api\"\nports = [\"443/tcp\"]\nallow = [\"many\"]\n\
        [service.rate_limit]\nconnections_per_second = 10000\nburst = 1000000\n";
    let started = Instant::now();
    let read = |_: &Path| Ok(list.clone().into_bytes());
    let loaded = load_from(
        Path::new("config.toml"),
        config,
        &read,
        &HostFacts::default(),
    )
    .unwrap_or_else(|errors| panic!("{errors}"));
    let parsed = started.elapsed();
    let generation = compile(&loaded.policy, &Ids::in_order(&loaded.policy)).expect("compiles");
    let compiled = started.elapsed();
    let in_force = kernel
        .place(&generation.fixed, &generation.pages, Placement::ForGood)
        .expect("placed");
    assert!(in_force.leftover.is_none(), "{in_force:?}");
    let placed = started.elapsed();
    println!(
        "| {prefixes} | {:.3} s | {:.3} s | {:.3} s | {:.1} MB |",
        parsed.as_secs_f64(),
        (compiled - parsed).as_secs_f64(),
        (placed - compiled).as_secs_f64(),
        generation.summary.bytes as f64 / 1e6
    );
    let program: &Xdp = kernel
        .ebpf()
        .program("edge_filter")
        .expect("is there")
        .try_into()
        .expect("is XDP");
    let cases = cases(v4, v6);
    let mut times = vec![Vec::new(); cases.len()];
    for _ in 0..ROUNDS {
        for ((_, packet), times) in cases.iter().zip(&mut times) {
            let before = cpu_ns();
            let options = TestRunOptions {
                data_in: Some(packet),
                repeat: REPEAT,
                ..Default::default()
            };
            program.test_run(options).expect("runs");
            times.push((cpu_ns() - before) / f64::from(REPEAT));
        }
    }
    let median = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[ROUNDS / 2]
    };
    times.iter_mut().map(median).collect()
}

/// A list of prefixes with lengths about as in routing tables, and one listed address of each
/// family.
fn list(prefixes: usize) -> (String, u32, u128) {
    let mut random = 7u64;
    let mut next = || {
        // SplitMix64 (Steele, Lea, Flood 2014).
        random = random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (random ^ random >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    };
    let (mut list, mut v4, mut v6) = (String::new(), 0, 0);
    for _ in 0..prefixes {
        let length = [16, 20, 22, 23, 24, 24, 24, 24, 24, 32][next() as usize % 10];
        v4 = (next() >> 32) as u32 & u32::MAX << (32 - length);
        let _ = writeln!(list, "{}/{length}", std::net::Ipv4Addr::from(v4));
        let length = [32, 32, 36, 40, 44, 48, 48, 48, 56, 64][next() as usize % 10];
        let top = [0x2001, 0x2400, 0x2600, 0x2804, 0x2a00, 0x2a02][next() as usize % 6];
        let upper = (top << 48 | next() >> 16) & u64::MAX << (64 - length);
        v6 = u128::from(upper) << 64;
        let _ = writeln!(list, "{}/{length}", std::net::Ipv6Addr::from(v6));
    }
    (list, v4, v6)
}

fn cases(v4: u32, v6: u128) -> Vec<(&'static str, Vec<u8>)> {
    const SYN: u8 = 2;
    const ACK: u8 = 16;
    vec![
        ("neither IPv4 nor IPv6", ethernet(0x88b5)),
        ("IPv4, unlisted port", tcp4(v4, 22, ACK)),
        ("IPv4, not allowed", tcp4(0x7f00_0001, 443, ACK)),
        ("IPv4, allowed", tcp4(v4, 443, ACK)),
        ("IPv4, SYN within its rate", tcp4(v4, 443, SYN)),
        ("IPv6, allowed", tcp6(v6, 443, ACK)),
        ("IPv6, SYN within its rate", tcp6(v6, 443, SYN)),
    ]
}

fn ethernet(kind: u16) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    frame.extend(kind.to_be_bytes());
    frame.resize(60, 0);
    frame
}

fn tcp4(source: u32, port: u16, flags: u8) -> Vec<u8> {
    let mut frame = ethernet(0x0800);
    frame.truncate(14);
    frame.extend([0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0]);
    frame.extend(source.to_be_bytes());
    frame.extend([192, 0, 2, 1]);
    tcp(frame, port, flags)
}

fn tcp6(source: u128, port: u16, flags: u8) -> Vec<u8> {
    let mut frame = ethernet(0x86dd);
    frame.truncate(14);
    frame.extend([0x60, 0, 0, 0, 0, 20, 6, 64]);
    frame.extend(source.to_be_bytes());
    frame.extend(0x2001_0db8_0000_0000_0000_0000_0000_0001_u128.to_be_bytes());
    tcp(frame, port, flags)
}

fn tcp(mut frame: Vec<u8>, port: u16, flags: u8) -> Vec<u8> {
    frame.extend([0x30, 0x39]);
    frame.extend(port.to_be_bytes());
    frame.extend([0, 0, 0, 0, 0, 0, 0, 0, 0x50, flags, 0x20, 0, 0, 0, 0, 0]);
    frame.resize(frame.len().max(60), 0);
    frame
}

fn cpu_ns() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
}
