//! A host on which `edge-filter` is installed.

use std::fmt::Write as _;
use std::fs::Permissions;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::{env, fs, thread};

use rustix::process::Signal;
use tempfile::TempDir;

use super::{Daemon, Metrics};
use crate::netns::Namespace;
use crate::netns::wait::{self, PATIENCE};

/// Where the metrics are, in the host's namespace.
pub const METRICS: &str = "127.0.0.1:9477";

/// Folder, configuration and daemon of one host; all of it goes on drop.
pub struct Host {
    daemon: Option<Daemon>,
    namespace: Namespace,
    folder: TempDir,
}

impl Host {
    /// Installs it; nothing runs yet.
    ///
    /// # Panics
    /// Without root.
    pub fn new(namespace: &Namespace) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("edge-filter-test-")
            .tempdir()
            .expect("there is a temporary folder");
        namespace.mount_bpffs(&folder.path().join("bpf"));
        Self {
            daemon: None,
            namespace: namespace.clone(),
            folder,
        }
    }

    /// Installs it with this policy and starts it.
    ///
    /// # Panics
    /// If the daemon does not become ready.
    pub fn start_with(namespace: &Namespace, policy: &str) -> Self {
        let mut host = Self::new(namespace);
        host.write_config(policy);
        host.start();
        host
    }

    /// A file or folder of this host.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where maps and links are pinned. Only [`Host::pins`] sees inside.
    pub fn pin_path(&self) -> PathBuf {
        self.path("bpf/edge-filter")
    }

    /// The whole configuration with this policy.
    pub fn config(&self, policy: &str) -> String {
        let folder = self.folder.path().display();
        format!(
            r#"{policy}

[daemon]
metrics_listen = "{METRICS}"
pin_path = "{folder}/bpf/edge-filter"
state_directory = "{folder}/state"
control_socket = "{folder}/control.sock"
tracked_sources = 16384
"#
        )
    }

    /// Writes the configuration, as editors and configuration management do: by renaming.
    pub fn write_config(&self, policy: &str) {
        self.write("config.toml", &self.config(policy));
    }

    /// Writes a file by renaming.
    pub fn write(&self, name: &str, text: &str) {
        let new = self.path(&format!("{name}.new"));
        fs::write(&new, text)
            .and_then(|()| fs::rename(&new, self.path(name)))
            .expect("the folder is ours");
    }

    /// Starts the daemon and waits until it is ready.
    ///
    /// # Panics
    /// If it ends instead.
    pub fn start(&mut self) {
        if let Err(status) = self.try_start() {
            panic!("the daemon ended: {status}");
        }
    }

    /// Starts the daemon and waits until it is ready or has ended.
    ///
    /// # Errors
    /// The exit status.
    pub fn try_start(&mut self) -> Result<(), ExitStatus> {
        self.try_start_as(&binary())
    }

    /// Starts another build of the daemon and waits until it is ready or has ended.
    ///
    /// # Errors
    /// The exit status.
    pub fn try_start_as(&mut self, program: &Path) -> Result<(), ExitStatus> {
        self.daemon = None;
        let mut daemon = Daemon::spawn(
            &self.namespace,
            program,
            &self.path("config.toml"),
            &self.path("daemon.log"),
            &self.path("notify.sock"),
        );
        daemon.wait_until_ready()?;
        self.daemon = Some(daemon);
        Ok(())
    }

    /// Starts the daemon with more arguments behind `run`; by a shell, which it takes the place of.
    ///
    /// # Errors
    /// The exit status.
    ///
    /// # Panics
    /// If the folder cannot be written to.
    pub fn try_start_with(&mut self, arguments: &str) -> Result<(), ExitStatus> {
        let program = self.path("with-arguments");
        let script = format!(
            "#!/bin/sh\nexec {} \"$@\" {arguments}\n",
            binary().display()
        );
        fs::write(&program, script)
            .and_then(|()| fs::set_permissions(&program, Permissions::from_mode(0o755)))
            .expect("the folder is ours");
        self.try_start_as(&program)
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        let mut daemon = self.daemon.take().expect("it runs");
        daemon.signal(Signal::KILL);
        daemon.wait();
    }

    /// SIGTERM; its exit status.
    pub fn terminate(&mut self) -> ExitStatus {
        let mut daemon = self.daemon.take().expect("it runs");
        daemon.signal(Signal::TERM);
        daemon.wait()
    }

    /// The running daemon.
    pub fn daemon(&mut self) -> &mut Daemon {
        self.daemon.as_mut().expect("it runs")
    }

    /// Runs `edge-filter` with these arguments, as the operator would.
    ///
    /// # Panics
    /// If there is no such program.
    pub fn command(&self, arguments: &[&str]) -> Output {
        self.command_with(&[], arguments)
    }

    /// The same with these variables in the environment.
    ///
    /// # Panics
    /// If there is no such program.
    pub fn command_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
        self.run(variables, arguments, Stdio::null())
    }

    /// The same with this as its standard input.
    ///
    /// # Panics
    /// If there is no such program.
    pub fn command_reading(&self, arguments: &[&str], input: impl Into<Stdio>) -> Output {
        self.run(&[], arguments, input.into())
    }

    fn run(&self, variables: &[(&str, &str)], arguments: &[&str], input: Stdio) -> Output {
        let mut command = self.prepare(arguments);
        command.stdin(input).envs(variables.iter().copied());
        self.namespace
            .run(|| command.output())
            .expect("the binary must be built: cargo xtask build")
    }

    /// A command that is yet to be started, in whatever namespace.
    pub fn prepare(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command
            .args(arguments)
            .env_remove("SSH_CONNECTION")
            .env("EDGE_FILTER_SOCKET", self.path("control.sock"))
            .env("EDGE_FILTER_CONFIG", self.path("config.toml"));
        command
    }

    /// Runs a command that must succeed; what it prints.
    ///
    /// # Panics
    /// If it fails.
    pub fn ask(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments);
        assert!(
            output.status.success(),
            "edge-filter {arguments:?}: {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("it prints text")
    }

    /// Puts another policy in force.
    pub fn reload_with(&self, policy: &str) {
        self.write_config(policy);
        self.ask(&["reload"]);
    }

    /// What `edge-filter … --json` prints.
    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let text = self.ask(&[arguments, &["--json"]].concat());
        serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{arguments:?}: {error} in {text}"))
    }

    /// Scrapes the daemon.
    pub fn metrics(&self) -> Metrics {
        Metrics::parse(&self.scrape("text/plain").1)
    }

    /// GET /metrics: the header and the body.
    ///
    /// # Panics
    /// If there is no answer of status 200.
    pub fn scrape(&self, accept: &str) -> (String, String) {
        let headers = format!("Host: {METRICS}\r\nAccept: {accept}");
        let get = || request(METRICS, "/metrics", &headers);
        let text = self.namespace.run(get).expect("it answers");
        let (header, body) = text.split_once("\r\n\r\n").expect("it is HTTP");
        assert!(header.starts_with("HTTP/1.1 200"), "{header}");
        (header.to_ascii_lowercase(), body.into())
    }

    /// What is pinned, by path and in its order, the folder itself included.
    pub fn pins(&self) -> Vec<PathBuf> {
        // The kernel may have put files of its own into the root of a bpffs.
        let folder = self.pin_path();
        let mut pins: Vec<_> = self.namespace.run(|| match folder.exists() {
            true => walk(&folder).into_iter().chain([folder]).collect(),
            false => Vec::new(),
        });
        pins.sort();
        pins
    }

    /// Runs this where the host's pins can be seen.
    pub fn inside<T: Send>(&self, action: impl FnOnce() -> T + Send) -> T {
        self.namespace.run(action)
    }

    /// What the daemon has logged, in all its runs.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("daemon.log")).unwrap_or_default()
    }

    /// Waits until the log says this.
    pub fn wait_for_log(&self, text: &str) {
        wait::until(&format!("{text:?} in the log"), || {
            self.log().contains(text).then_some(())
        });
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if thread::panicking() {
            let mut report = String::from("--- the daemon's log:\n");
            report += &self.log();
            if let Ok(config) = fs::read_to_string(self.path("config.toml")) {
                let _ = write!(report, "--- its configuration:\n{config}");
            }
            eprintln!("{report}---");
        }
    }
}

/// GET by HTTP with this Host header: header and body of the answer.
///
/// # Panics
/// If there is none within [`PATIENCE`].
pub fn get(address: &str, path: &str, host: &str) -> String {
    // The daemon listens a moment after it is ready.
    wait::until("an answer over HTTP", || {
        request(address, path, &format!("Host: {host}")).ok()
    })
}

/// The program under test.
pub fn binary() -> PathBuf {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    env::var_os("EDGE_FILTER_BIN").map_or_else(
        || {
            ["release", "debug"]
                .map(|profile| target.join(profile).join("edge-filter"))
                .into_iter()
                .find(|path| path.is_file())
                .expect("the binary must be built: cargo xtask build")
        },
        PathBuf::from,
    )
}

/// The same program, built as if of the next ABI.
pub fn next_binary() -> PathBuf {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    let path = env::var_os("EDGE_FILTER_NEXT_BIN")
        .map_or_else(|| target.join("debug/edge-filter-next-abi"), PathBuf::from);
    assert!(path.is_file(), "it must be built: cargo xtask test");
    path
}

/// The packet program under test, for those who load it by themselves.
pub fn object() -> PathBuf {
    let folder = env::var_os("EDGE_FILTER_OBJECT_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bpf"),
        PathBuf::from,
    );
    folder.join("edge-filter.o")
}

fn request(address: &str, path: &str, headers: &str) -> std::io::Result<String> {
    let address: SocketAddr = address.parse().expect("it is an address");
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\n{headers}\r\nConnection: close\r\n\r\n"
    )?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    entries
        .flat_map(|entry| {
            let path = entry.expect("it can be read").path();
            let below = if path.is_dir() {
                walk(&path)
            } else {
                Vec::new()
            };
            below.into_iter().chain([path])
        })
        .collect()
}
