//! The daemon as it ships, in a namespace: what it takes, and how long.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use aya::maps::MapData;
use edge_filter_tests::daemon::Host;
use edge_filter_tests::netns::frames::{Flow, Mark, SYN};
use edge_filter_tests::netns::raw::PacketSocket;
use edge_filter_tests::netns::{Net, Wire, wait};
use filter_user::kernel::pins::Folder;
use filter_user::kernel::state::StateMap;

use super::size_name;
use crate::Bench;
use crate::edge::Edge;
use crate::lists::List;
use crate::timing::median;
use crate::told;

/// The daemon leaves a second between two reloads that nobody asked for.
const PACE: Duration = Duration::from_millis(1300);
/// Between two looks at the generation in force.
const LOOK: Duration = Duration::from_micros(500);
const PATIENCE: Duration = Duration::from_secs(60);

/// A list that takes another's place.
pub struct Change {
    v4: usize,
    v6: usize,
    /// Seconds from the rename to force, when the daemon finds it by itself.
    pub noticed: f64,
    /// The same with `edge-filter reload`.
    pub asked: f64,
    /// Of that, in a process of its own.
    pub compile: f64,
    pub place: f64,
    /// Of the daemon.
    pub peak_bytes: f64,
    pub bytes: f64,
    /// Of one generation in the kernel.
    pub table_bytes: f64,
}

impl Change {
    /// In tables.
    pub fn name(&self) -> String {
        size_name(self.v4, self.v6)
    }
}

/// A daemon at rest.
pub struct Idle {
    pub seconds: f64,
    pub cpu_percent: f64,
    pub bytes: f64,
}

/// One scrape.
pub struct Scrape {
    pub seconds: f64,
    pub cpu_seconds: f64,
    pub bytes: f64,
}

/// As the contract's limits have it.
const MOST: usize = 1_000_000;
const INTERFACES: u8 = 16;
const SERVICES: u16 = 64;
const FIRST_PORT: u16 = 10_000;

/// Measures a list of so many prefixes.
///
/// # Errors
/// The daemon's refusal.
pub fn change(bench: &Bench, v4: usize, v6: usize) -> Result<Change> {
    let list = text(v4, v6);
    let pins = bench.pins.join(format!("control-{v4}-{v6}"));
    let edge = Edge::open(&pins, &policy("eth0"), &list)?;
    let (compile, place) = (edge.compiled.as_secs_f64(), edge.placed.as_secs_f64());
    let table_bytes = edge.bytes as f64;
    drop(edge);
    let net = Net::new();
    let mut host = Host::new(&net.server);
    host.write("many.txt", &list);
    host.write("config.toml", &config(&host, &policy("s0")));
    host.start();
    let pid = host.daemon().pid();
    let path = Folder::new(&host.pin_path()).map("STATE");
    let state = net.server.run(|| {
        let map = MapData::from_pin(&path)?;
        anyhow::Ok(StateMap::new(&map)?)
    })?;
    let (mut noticed, mut asked) = (Vec::new(), Vec::new());
    fs::write(format!("/proc/{pid}/clear_refs"), "5").context("clear_refs")?;
    for round in 0..if bench.effort.is_quick { 2 } else { 5 } {
        std::thread::sleep(PACE);
        // Another list, or comparing it with the one in force would cost nothing.
        let (_, shorter) = list.split_once('\n').context("a list of nothing")?;
        let before = state.active().generation();
        host.write("many.txt", if round % 2 == 0 { shorter } else { &list });
        noticed.push(until_in_force(&state, before)?);
        std::thread::sleep(PACE);
        let before = state.active().generation();
        let started = Instant::now();
        host.ask(&["reload"]);
        asked.push(started.elapsed().as_secs_f64());
        ensure!(state.active().generation() > before, "nothing was reloaded");
    }
    Ok(Change {
        v4,
        v6,
        noticed: median(&mut noticed),
        asked: median(&mut asked),
        compile,
        place,
        peak_bytes: memory(pid, "VmHWM")?,
        bytes: memory(pid, "VmRSS")?,
        table_bytes,
    })
}

fn until_in_force(state: &StateMap, before: u32) -> Result<f64> {
    let started = Instant::now();
    while state.active().generation() == before {
        ensure!(started.elapsed() < PATIENCE, "the new list is not in force");
        std::thread::sleep(LOOK);
    }
    Ok(started.elapsed().as_secs_f64())
}

/// Leaves a daemon alone.
///
/// # Errors
/// It ends.
pub fn idle(bench: &Bench) -> Result<Idle> {
    let net = Net::new();
    let mut host = Host::new(&net.server);
    host.write("many.txt", &text(1000, 1000));
    host.write("config.toml", &config(&host, &policy("s0")));
    host.start();
    let pid = host.daemon().pid();
    let seconds = if bench.effort.is_quick { 5 } else { 40 };
    std::thread::sleep(PACE);
    let (started, before) = (Instant::now(), cpu_seconds(pid)?);
    std::thread::sleep(Duration::from_secs(seconds));
    let cpu = cpu_seconds(pid)? - before;
    let seconds = started.elapsed().as_secs_f64();
    Ok(Idle {
        seconds,
        cpu_percent: cpu / seconds * 100.0,
        bytes: memory(pid, "VmRSS")?,
    })
}

/// Asks a daemon that has as much to tell as it may.
///
/// # Errors
/// It ends.
pub fn scrape(bench: &Bench) -> Result<Scrape> {
    let net = Net::with(INTERFACES, 1500);
    let mut host = Host::new(&net.server);
    let mut policy = String::new();
    for interface in 0..INTERFACES {
        policy += &format!("[[interface]]\nname = \"s{interface}\"\n");
    }
    for service in 0..SERVICES {
        let port = FIRST_PORT + service;
        policy += &format!(
            "[[service]]\nname = \"service{service}\"\nports = [\"{port}/tcp\"]\nallow = [\"any\"]\n\
             [service.rate_limit]\nconnections_per_second = 10\n"
        );
    }
    host.write("config.toml", &config(&host, &policy));
    host.start();
    let pid = host.daemon().pid();
    knock(&net, &host);
    let mut bytes = 0;
    let times = if bench.effort.is_quick { 10 } else { 100 };
    let before = cpu_seconds(pid)?;
    let mut seconds = Vec::new();
    for _ in 0..times {
        let started = Instant::now();
        bytes = host.scrape("text/plain").1.len();
        seconds.push(started.elapsed().as_secs_f64());
    }
    Ok(Scrape {
        seconds: median(&mut seconds),
        cpu_seconds: (cpu_seconds(pid)? - before) / f64::from(times),
        bytes: bytes as f64,
    })
}

/// Each service counts a packet on each interface, or there would be little to tell.
fn knock(net: &Net, host: &Host) {
    const MARK: Mark = Mark { flow: 0, number: 0 };
    net.client.run(|| {
        for wire in (0..INTERFACES).map(Wire) {
            let socket = PacketSocket::open(&wire.client_device());
            for port in (0..SERVICES).map(|service| FIRST_PORT + service) {
                let (from, to) = (wire.client(10, false), wire.server(false));
                let mut flow = Flow::new((from, 40_000), (to, port));
                flow.wire = wire;
                socket.send(&flow.tcp(SYN, MARK));
            }
        }
    });
    let all = f64::from(INTERFACES) * f64::from(SERVICES);
    wait::until("every service to have counted", || {
        let allowed = [("reason", "allowed")];
        let counted = host.metrics().sum("edge_filter_packets_total", &allowed);
        (counted >= all).then_some(())
    });
}

fn text(v4: usize, v6: usize) -> String {
    let text = List::new(v4.min(MOST)).text_v4();
    let six = List::new(v6.min(MOST)).text();
    let six = six.lines().filter(|line| line.contains(':'));
    six.fold(text, |text, line| text + line + "\n")
}

fn policy(device: &str) -> String {
    format!(
        "[[interface]]\nname = \"{device}\"\n[prefix_list.many]\nfile = \"many.txt\"\n\
         [[service]]\nname = \"api\"\nports = [\"443/tcp\"]\n\
         allow = [\"many\"]\n[service.rate_limit]\nconnections_per_second = 100\n"
    )
}

/// With as many sources as the daemon has by default.
fn config(host: &Host, policy: &str) -> String {
    let config = host.config(policy);
    config.replace("tracked_sources = 16384\n", "")
}

fn memory(pid: u32, name: &str) -> Result<f64> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).context(path)?;
    told::status_bytes(&text, name).with_context(|| format!("no {name}"))
}

/// Of all its threads, of those too that have ended.
fn cpu_seconds(pid: u32) -> Result<f64> {
    let mut clock = 0;
    // SAFETY: writes one number, to where it may.
    let error = unsafe { libc::clock_getcpuclockid(pid as i32, &raw mut clock) };
    ensure!(
        error == 0,
        "the daemon's clock: {}",
        std::io::Error::from_raw_os_error(error)
    );
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: writes one time, to where it may.
    let failed = unsafe { libc::clock_gettime(clock, &raw mut now) } != 0;
    ensure!(
        !failed,
        "the daemon's clock: {}",
        std::io::Error::last_os_error()
    );
    Ok(now.tv_sec as f64 + now.tv_nsec as f64 / 1e9)
}
