//! The container that ships: what its recipe copies and nothing else, mounted and bounded as the
//! DaemonSet says, on a host of its own. A runtime is not needed for it, only what runtimes do.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use edge_filter_tests::daemon::{ConfigMap, Daemon, Manifest, Metrics, binary, get};
use edge_filter_tests::netns::sockets::{Answer, Echo, ask_tcp};
use edge_filter_tests::netns::wait::{self, SILENCE};
use edge_filter_tests::netns::{Namespace, Net};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::configmap::POLICY;
use crate::{PORT, WIRE};

/// Pins, sockets and state are where the daemon has them by default.
fn policy() -> String {
    let policy = POLICY.replace("ALSO", "");
    format!("{policy}\n[daemon]\ntracked_sources = 16384\n")
}

/// A node with the container's root, and what the DaemonSet mounts into it.
struct Node {
    namespace: Namespace,
    folder: TempDir,
    manifest: Manifest,
    volume: ConfigMap,
}

impl Node {
    fn new(namespace: &Namespace) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("edge-filter-test-")
            .tempdir()
            .expect("there is a temporary folder");
        let at = |name: &str| folder.path().join(name);
        let files = [
            ("config.toml", &*policy()),
            ("partners.txt", "10.77.0.10\n"),
        ];
        let volume = ConfigMap::new(&at("configuration"), &files);
        for name in ["state", "control"] {
            fs::create_dir(at(name)).expect("the folder is ours");
        }
        namespace.mount_bpffs(&at("pins"));
        let recipe = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/container/root.sh");
        let mut lay_out = Command::new("sh");
        lay_out.arg(recipe).arg(binary()).arg(at("root"));
        succeeds(&lay_out.output().expect("there is a shell"));
        let node = Self {
            namespace: namespace.clone(),
            manifest: Manifest::daemon_set(),
            volume,
            folder,
        };
        node.mount();
        node.write_runtime();
        node
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Root read-only; above it what every runtime mounts, and the volumes.
    fn mount(&self) {
        let root = self.path("root");
        let root = root.display();
        let mut script = format!(
            "set -e\nmount --bind {root} {root}\nmount -o remount,bind,ro {root}\n\
             mount -t proc proc {root}/proc\nmount -t sysfs -o ro sysfs {root}/sys\n"
        );
        for mount in &self.manifest.mounts {
            let from = self.path(&mount.volume);
            let (from, to) = (from.display(), &mount.path);
            script += &format!("mount --bind {from} {root}{to}\n");
            if mount.is_read_only {
                script += &format!("mount -o remount,bind,ro {root}{to}\n");
            }
        }
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]);
        succeeds(&self.namespace.run(|| shell.output()).expect("a shell"));
    }

    /// What a runtime does last: a program that starts another in the root, with the capabilities
    /// of the DaemonSet and no others.
    fn write_runtime(&self) {
        let kept: String = self
            .manifest
            .capabilities
            .iter()
            .fold(String::new(), |kept, name| {
                kept + &format!(" -e cap_{}", name.to_lowercase())
            });
        let script = format!(
            "#!/bin/sh\nset -eu\n\
             all=$(capsh --print | sed -n 's/^Bounding set *=//p' | tr , '\\n')\n\
             drop=$(echo \"$all\" | grep -v -x{kept} | tr '\\n' ,)\n\
             exec capsh --no-new-privs --drop=\"${{drop%,}}\" --chroot={} \
             --shell={} -- \"$@\"\n",
            self.path("root").display(),
            self.manifest.program
        );
        let path = self.path("runtime");
        fs::write(&path, script)
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o755)))
            .expect("the folder is ours");
    }

    /// Starts the pod's only program, and waits as the kubelet does.
    fn start(&self) -> Daemon {
        let mut daemon = Daemon::spawn(
            &self.namespace,
            &self.path("runtime"),
            Path::new("/etc/edge-filter/config.toml"),
            &self.path("log"),
            &self.path("notify.sock"),
        );
        wait::until("the pod to be ready", || {
            if let Some(status) = daemon.ended() {
                let log = fs::read_to_string(self.path("log")).unwrap_or_default();
                panic!("{status}: {log}");
            }
            self.probe().filter(|answer| answer.contains(" 200 "))
        });
        daemon
    }

    /// The readiness probe of the DaemonSet, once.
    fn probe(&self) -> Option<String> {
        let (address, path) = (&self.manifest.probe_address, &self.manifest.probe_path);
        self.namespace
            .run(|| std::net::TcpStream::connect(address))
            .ok()?;
        Some(self.namespace.run(|| get(address, path, address)))
    }

    /// `kubectl exec`.
    fn exec(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(self.path("runtime"));
        command.args(arguments);
        let output = self.namespace.run(|| command.output());
        succeeds(&output.expect("it can be started"))
    }
}

fn succeeds(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn answer(net: &Net, source: u8) -> Answer {
    let server = (WIRE.server(false), PORT).into();
    let source = WIRE.client(source, false);
    net.client.run(|| ask_tcp(source, server, 10, SILENCE))
}

#[test]
fn it_filters_reloads_and_answers_with_what_its_recipe_and_the_daemon_set_give_it() {
    let net = Net::new();
    let mut node = Node::new(&net.server);
    let mut daemon = node.start();
    let _echo = Echo::tcp(&net.server, (WIRE.server(false), PORT));
    assert_eq!(answer(&net, 10), Answer::Served);
    assert_eq!(answer(&net, 11), Answer::Silence);
    let probe = node.probe().expect("it is ready");
    let (_, body) = probe.split_once("\r\n\r\n").expect("it is HTTP");
    let labels = [("device", "s0"), ("mode", "native")];
    let attached = Metrics::parse(body).value("edge_filter_attached", &labels);
    assert_eq!(attached, 1.0);

    let files = [
        ("config.toml", &*policy()),
        ("partners.txt", "10.77.0.11\n"),
    ];
    node.volume.update(&files);
    wait::until("the new list to serve", || {
        (answer(&net, 11) == Answer::Served).then_some(())
    });
    assert_eq!(answer(&net, 10), Answer::Silence);

    assert!(node.exec(&["status"]).contains("s0"));
    node.exec(&["ban", "10.77.0.11", "--for", "1h", "--force"]);
    assert_eq!(answer(&net, 11), Answer::Silence);
    node.exec(&["unban", "10.77.0.11"]);
    node.exec(&["explain", "--src", "10.77.0.11", "--port", "7000/tcp"]);
    assert_eq!(answer(&net, 11), Answer::Served);

    // A rolling update: the pod ends, the filter stays, the next one takes it over.
    daemon.signal(Signal::TERM);
    assert!(daemon.wait().success());
    assert_eq!(answer(&net, 10), Answer::Silence);
    let mut daemon = node.start();
    assert_eq!(answer(&net, 10), Answer::Silence);
    assert_eq!(answer(&net, 11), Answer::Served);
    node.exec(&["unload"]);
    assert_eq!(answer(&net, 10), Answer::Served);
    daemon.signal(Signal::TERM);
    assert!(daemon.wait().success());
}

#[test]
fn nothing_else_is_in_it() {
    let net = Net::new();
    let node = Node::new(&net.server);
    let mut find = Command::new("find");
    let root = node.path("root");
    find.args([root.as_os_str(), "-type".as_ref(), "f".as_ref()]);
    let files = succeeds(&find.output().expect("there is one"));
    for file in files.lines() {
        let name = file.rsplit('/').next().expect("it has a name");
        let is_library = name.contains(".so.");
        assert!(
            is_library || ["edge-filter", "passwd"].contains(&name),
            "{file}"
        );
    }
    assert!(files.lines().count() < 10, "{files}");
}
