//! What others on the host reach of a daemon, and what the daemon itself can do.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use edge_filter_tests::daemon::{Host, METRICS};
use edge_filter_tests::netns::Net;
use edge_filter_tests::netns::wait::PATIENCE;
use rustix::process::Uid;
use rustix::thread::set_thread_uid;

const POLICY: &str = r#"
[[interface]]
name = "s0"

[[service]]
name = "api"
ports = ["7000/tcp"]
allow = ["10.77.0.10"]
"#;

/// CAP_NET_ADMIN and CAP_BPF (linux/capability.h).
const NEEDED: u64 = 1 << 12 | 1 << 39;

/// A line of `/proc/…/status`.
fn status(thread: &Path, name: &str) -> u64 {
    let text = fs::read_to_string(thread.join("status")).expect("it runs");
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line
        .and_then(|line| line.strip_prefix(':'))
        .expect("there is one");
    u64::from_str_radix(number.trim(), 16).expect("it is a number")
}

#[test]
fn only_the_capabilities_that_are_needed_stay_in_every_thread() {
    let net = Net::new();
    let mut host = Host::start_with(&net.server, POLICY);
    // Threads are made for reloads and scrapes.
    host.reload_with(&POLICY.replace("10.77.0.10", "10.77.0.11"));
    host.metrics();
    let folder = format!("/proc/{}/task", host.daemon().pid());
    let mut threads = 0;
    for thread in fs::read_dir(folder).expect("it runs") {
        let thread = thread.expect("it can be read").path();
        for (set, wanted) in [
            ("CapEff", NEEDED),
            ("CapPrm", NEEDED),
            ("CapBnd", NEEDED),
            ("CapInh", 0),
            ("CapAmb", 0),
            ("NoNewPrivs", 1),
        ] {
            let found = status(&thread, set);
            assert_eq!(found, wanted, "{set} is {found:x} in {}", thread.display());
        }
        threads += 1;
    }
    assert!(threads >= 2, "{threads} threads");
    // And they suffice: for an interface that comes later too.
    let second = format!("[[interface]]\nname = \"s1\"\n{POLICY}");
    net.join(edge_filter_tests::netns::Wire(1), 1500);
    host.reload_with(&second);
    let labels = [("device", "s1"), ("mode", "native")];
    let attached = host.metrics().value("edge_filter_attached", &labels);
    assert_eq!(attached, 1.0);
}

#[test]
fn the_control_socket_and_the_state_are_for_root_alone() {
    let net = Net::new();
    let host = Host::start_with(&net.server, POLICY);
    let mode = |name: &str| fs::metadata(host.path(name)).expect("it is there").mode() & 0o777;
    assert_eq!(mode("control.sock"), 0o600);
    assert_eq!(mode("state"), 0o700);
    let state = fs::read_dir(host.path("state")).expect("ours");
    let files: Vec<_> = state.map(|file| file.expect("ours").path()).collect();
    assert!(files.len() > 2, "{files:?}");
    for file in files {
        let mode = fs::metadata(&file).expect("ours").mode() & 0o077;
        assert_eq!(mode, 0, "{}", file.display());
    }
    let pins = host.pins();
    net.server.run(|| {
        for pin in pins.iter().filter(|pin| pin.is_file()) {
            let mode = fs::metadata(pin).expect("ours").mode() & 0o077;
            assert_eq!(mode, 0, "{}", pin.display());
        }
    });
}

#[test]
fn another_user_is_refused_by_name_even_if_the_socket_were_open() {
    let net = Net::new();
    let host = Host::start_with(&net.server, POLICY);
    let socket = host.path("control.sock");
    let folder = socket.parent().expect("it has one");
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("ours");
    let as_nobody = |action: &(dyn Fn() -> String + Sync)| {
        net.server.run(|| {
            // Of this thread alone.
            set_thread_uid(Uid::from_raw(65_534)).expect("root may");
            action()
        })
    };
    let ask = |request: &[u8]| {
        let mut stream = match UnixStream::connect(&socket) {
            Ok(stream) => stream,
            Err(error) => return error.to_string(),
        };
        stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
        // It may have heard enough before the end.
        let _ = stream.write_all(request);
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    };
    let unload = b"{\"version\":1,\"request\":\"unload\",\"device\":null}\n";
    let answer = as_nobody(&|| ask(unload));
    assert!(answer.contains("Permission denied"), "{answer}");

    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).expect("ours");
    let answer = as_nobody(&|| ask(unload));
    assert!(answer.contains("user 65534 may not"), "{answer}");
    // Nor may he be heard at length.
    let answer = as_nobody(&|| ask(&[b' '; 1 << 20]));
    assert!(
        answer.is_empty() || answer.contains("at most 4096 bytes"),
        "{answer}"
    );
    assert_eq!(host.json(&["status"])["policy"]["generation"], 1);
}

#[test]
fn who_holds_connections_to_the_metrics_keeps_no_scraper_away() {
    let net = Net::new();
    let host = Host::start_with(&net.server, POLICY);
    let address: SocketAddr = METRICS.parse().expect("it is an address");
    // More than are served at once; half of them have begun to ask.
    let held: Vec<TcpStream> = net.server.run(|| {
        let connect = |n| {
            let mut stream = TcpStream::connect_timeout(&address, PATIENCE).expect("it listens");
            if n % 2 == 0 {
                stream.write_all(b"GET /met").expect("it is connected");
            }
            stream
        };
        (0..80).map(connect).collect()
    });
    assert_eq!(
        host.metrics().value("edge_filter_policy_generation", &[]),
        1.0
    );
    host.reload_with(&POLICY.replace("10.77.0.10", "10.77.0.11"));
    drop(held);
}
