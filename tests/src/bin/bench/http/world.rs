//! A client and a server joined by a wire, nginx on the server, and what is in the packets' way.

use std::fs::{self, File};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use edge_filter_tests::daemon::Host;
use edge_filter_tests::netns::{Net, Wire, wait};
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_setaffinity};

use super::Way;
use crate::Bench;
use crate::lists::List;
use crate::peers::Peers;
use crate::run::output;
use crate::{rules, told};

/// Of the server.
pub const PORT: u16 = 80;
const WIRE: Wire = Wire(0);
const PREFIXES: usize = 10_000;

/// All of it, for as long as it lasts.
pub struct World {
    pub way: Way,
    pub net: Net,
    host: Option<Host>,
    _passing: Option<Peers>,
    _nginx: Server,
}

/// Killed on drop.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended already is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl World {
    /// Sets it up. Its processes end with the calling thread, whose CPU they have.
    ///
    /// # Errors
    /// What the kernel or a program says.
    pub fn new(bench: &Bench, way: Way) -> Result<Self> {
        let net = Net::new();
        net.client.run(|| {
            // A connection for each request wants many ports.
            fs::write("/proc/sys/net/ipv4/ip_local_port_range", "1024 65000")
        })?;
        // Who is flooded by strangers has a route to them.
        let gateway = WIRE.client(10, false);
        net.server.ip(&format!("route add default via {gateway}\n"));
        let nginx = nginx(bench, &net, way)?;
        wait::until("nginx to listen", || {
            let connect = || TcpStream::connect((WIRE.server(false), PORT)).ok();
            net.client.run(connect).map(drop)
        });
        let mut world = Self {
            way,
            net,
            host: None,
            _passing: None,
            _nginx: nginx,
        };
        world.set_up(bench)?;
        Ok(world)
    }

    fn set_up(&mut self, bench: &Bench) -> Result<()> {
        let device = WIRE.server_device();
        match self.way {
            Way::Free => {}
            Way::Pass => {
                let mut peers = Peers::load(&["bare_pass"])?;
                self.net.server.run(|| peers.attach("bare_pass", &device))?;
                self._passing = Some(peers);
            }
            Way::Edge => {
                let mut host = Host::new(&self.net.server);
                host.write("many.txt", &List::new(PREFIXES).text_v4());
                host.write_config(&policy(&device));
                host.start();
                self.host = Some(host);
            }
            Way::Nft => {
                let path = bench.folder().join("http.nft");
                fs::write(&path, nft(&device)).context("http.nft")?;
                self.ask(Command::new("nft").arg("-f").arg(&path))?;
            }
        }
        Ok(())
    }

    /// From now on frames can be redirected to the server, and everything that arrives is judged
    /// by a thread on this CPU, wherever it was sent from: as by a NIC's interrupt, before anything
    /// else that wants to run there.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn take_frames_on(&self, cpu: usize) -> Result<()> {
        let device = WIRE.server_device();
        self.ask(Command::new("ethtool").args(["--features", &device, "gro", "on"]))?;
        // With TSO, veth would carry requests past the queue that the flood waits in, if there is
        // no XDP: they would be spared what happens to the others'.
        let client = WIRE.client_device();
        let mut without_tso = Command::new("ethtool");
        without_tso.args(["--features", &client, "tso", "off"]);
        self.net.client.run(|| output(&mut without_tso))?;
        let before = threads(&device)?;
        let path = format!("/sys/class/net/{device}/threaded");
        self.net
            .server
            .run(|| fs::write(&path, "1"))
            .context("a thread for what arrives")?;
        let mut set = CpuSet::new();
        set.set(cpu);
        let made: Vec<_> = threads(&device)?
            .into_iter()
            .filter(|thread| !before.contains(thread))
            .collect();
        ensure!(!made.is_empty(), "the kernel made no thread for {device}");
        for thread in made {
            sched_setaffinity(Pid::from_raw(thread), &set).context("its CPU")?;
            let thread = thread.to_string();
            output(Command::new("chrt").args(["--fifo", "--pid", "1", &thread]))?;
        }
        Ok(())
    }

    /// Frames that came to the server's device where a program or GRO sees them.
    ///
    /// # Errors
    /// The device does not tell.
    pub fn arrived(&self) -> Result<u64> {
        let device = WIRE.server_device();
        let text = self.ask(Command::new("ethtool").args(["--statistics", &device]))?;
        told::device_counter(&text, "rx_queue_0_xdp_packets")
            .context("ethtool tells no rx_queue_0_xdp_packets")
    }

    /// Packets that the filter has dropped, by its own count; `None` where there is none.
    ///
    /// # Errors
    /// It does not tell.
    pub fn dropped(&self) -> Result<Option<f64>> {
        match (self.way, &self.host) {
            (Way::Edge, Some(host)) => {
                let metrics = host.metrics();
                let labels = [("action", "drop"), ("reason", "not_allowed")];
                Ok(Some(metrics.sum("edge_filter_packets_total", &labels)))
            }
            (Way::Nft, _) => {
                let list = ["list", "counter", "netdev", "edge", "dropped"];
                let text = self.ask(Command::new("nft").args(list))?;
                let packets = told::nft_packets(&text).context("nft tells no packets")?;
                Ok(Some(packets as f64))
            }
            _ => Ok(None),
        }
    }

    fn ask(&self, command: &mut Command) -> Result<String> {
        self.net.server.run(|| output(command))
    }
}

/// The rate books each connection and never binds: one client is many here.
fn policy(device: &str) -> String {
    format!(
        "[[interface]]\nname = \"{device}\"\n[prefix_list.many]\nfile = \"many.txt\"\n\
         [[service]]\nname = \"web\"\nports = [\"{PORT}/tcp\"]\n\
         allow = [\"many\", \"10.77.0.0/24\"]\n\
         [service.rate_limit]\nconnections_per_second = 10000\nburst = 140000000\n"
    )
}

fn nft(device: &str) -> String {
    let mut prefixes = rules::v4_prefixes(&List::new(PREFIXES));
    prefixes.push("10.77.0.0/24".into());
    let set = rules::nft_set("listed4", "ipv4_addr", &prefixes);
    format!(
        "table netdev edge {{\ncounter dropped {{ }}\n{set}\
         set rated {{ type ipv4_addr; size 1048576; flags dynamic,timeout; timeout 1h; }}\n\
         chain first {{\ntype filter hook ingress device \"{device}\" priority 0; policy accept;\n\
         tcp dport {PORT} ip saddr != @listed4 counter name dropped drop\n\
         tcp dport {PORT} tcp flags & (syn|ack) == syn update @rated {{ ip saddr limit rate over \
         1000000/second burst 1000000 packets }} drop\n}}\n}}\n"
    )
}

fn nginx(bench: &Bench, net: &Net, way: Way) -> Result<Server> {
    let folder = bench.folder().join(format!("nginx-{way:?}"));
    fs::create_dir(&folder)?;
    let path = folder.join("nginx.conf");
    let text = configuration(&folder, &WIRE.server(false).to_string());
    fs::write(&path, text).context("nginx.conf")?;
    let log = File::create(folder.join("error.log"))?;
    let mut command = Command::new(program());
    command
        .arg("-c")
        .arg(&path)
        .arg("-p")
        .arg(&folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    let child = net.server.start(&mut command);
    Ok(Server(
        child.context("nginx: cargo xtask bench unpacks it")?,
    ))
}

/// Debian's, where `cargo xtask bench` unpacked it: installing it would start a server.
fn program() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.join("target/tools/nginx/usr/sbin/nginx")
}

/// One process that closes each connection after its answer.
fn configuration(folder: &Path, address: &str) -> String {
    let folder = folder.display();
    let mut text = format!(
        "daemon off;\nmaster_process off;\nuser root;\npid {folder}/nginx.pid;\n\
         error_log stderr;\nworker_rlimit_nofile 65536;\n\
         events {{ worker_connections 16384; }}\nhttp {{\naccess_log off;\n\
         keepalive_timeout 0;\n"
    );
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        text += &format!("{kind}_temp_path {folder}/{kind};\n");
    }
    text + &format!(
        "server {{ listen {address}:{PORT} backlog=4096; location / {{ return 200 \
         \"edge-filter\\n\"; }} }}\n}}\n"
    )
}

/// Kernel threads that take in what arrives at a device of this name.
fn threads(device: &str) -> Result<Vec<i32>> {
    let beginning = format!("napi/{device}-");
    let mut threads = Vec::new();
    for entry in fs::read_dir("/proc").context("/proc")? {
        let entry = entry?;
        let comm = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        if comm.starts_with(&beginning) {
            threads.extend(entry.file_name().to_string_lossy().parse::<i32>());
        }
    }
    Ok(threads)
}
