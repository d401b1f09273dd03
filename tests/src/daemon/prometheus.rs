//! Debian's Prometheus with everything it writes in a folder of its own, scraping one daemon, under
//! the alert rules that this project ships.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Signal, set_parent_process_death_signal};
use serde_json::Value;

use super::{Host, METRICS};
use crate::netns::Namespace;
use crate::netns::wait::{self, PATIENCE};

/// The job that scrapes the daemon; the alert rules name it.
pub const JOB: &str = "edge-filter";
/// Where it listens, in the host's namespace.
const LISTEN: &str = "127.0.0.1:9090";

/// A server that is killed when this is dropped.
pub struct Prometheus {
    child: Child,
    namespace: Namespace,
    folder: PathBuf,
}

impl Prometheus {
    /// Starts it on a host and waits until it answers. It scrapes once a second.
    ///
    /// # Panics
    /// Without Debian's Prometheus, or if it does not start.
    pub fn start(namespace: &Namespace, host: &Host) -> Self {
        let folder = host.path("prometheus");
        fs::create_dir_all(&folder).expect("the folder is ours");
        let rules = shipped("prometheus/alerts.yml");
        let config = format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\n\
             rule_files: [\"{}\"]\nscrape_configs:\n  - job_name: {JOB}\n    \
             static_configs: [{{ targets: [\"{METRICS}\"] }}]\n",
            rules.display()
        );
        let path = folder.join("prometheus.yml");
        fs::write(&path, config).expect("the folder is ours");
        let mut command = Command::new(tool("prometheus"));
        command
            .arg(format!("--config.file={}", path.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.join("data").display()
            ))
            .arg(format!("--web.listen-address={LISTEN}"));
        let inside = namespace.clone();
        let enter = move || {
            inside.enter_process()?;
            set_parent_process_death_signal(Some(Signal::KILL)).map_err(io::Error::from)
        };
        // SAFETY: the closure makes system calls only; it takes no lock and allocates nothing.
        unsafe { command.pre_exec(enter) };
        let output = File::create(folder.join("output")).expect("the folder is ours");
        command
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a descriptor is to be had"))
            .stderr(output);
        let started = Self {
            child: command.spawn().expect("it is there"),
            namespace: namespace.clone(),
            folder,
        };
        wait::until("an answer from Prometheus", || {
            let answer = started.get("/-/ready")?;
            answer.starts_with("HTTP/1.0 200").then_some(())
        });
        started
    }

    /// What an expression of PromQL comes to now.
    ///
    /// # Errors
    /// What Prometheus says if it is none.
    ///
    /// # Panics
    /// If it does not answer.
    pub fn query(&self, expression: &str) -> Result<Vec<Value>, String> {
        let mut answer = self.api(&format!("query?query={}", encoded(expression)));
        match answer["data"]["result"].take() {
            Value::Array(result) => Ok(result),
            _ => Err(answer["error"].to_string()),
        }
    }

    /// GET of its API.
    ///
    /// # Panics
    /// If it does not answer.
    pub fn api(&self, path: &str) -> Value {
        let answer = self
            .get(&format!("/api/v1/{path}"))
            .expect("Prometheus answers");
        let (_, body) = answer.split_once("\r\n\r\n").expect("it is HTTP");
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{path}: {error} in {answer}"))
    }

    /// HTTP/1.0, so that nothing is chunked.
    fn get(&self, path: &str) -> Option<String> {
        let ask = || -> io::Result<String> {
            let address: SocketAddr = LISTEN.parse().expect("it is an address");
            let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            write!(stream, "GET {path} HTTP/1.0\r\nHost: {LISTEN}\r\n\r\n")?;
            let mut text = String::new();
            stream.read_to_string(&mut text)?;
            Ok(text)
        };
        self.namespace.run(ask).ok()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let output = fs::read_to_string(self.folder.join("output")).unwrap_or_default();
            eprintln!("--- Prometheus:\n{output}---");
        }
        // One that has ended already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program of Debian's package, unpacked by set-up.
///
/// # Panics
/// If it is not there.
pub fn tool(name: &str) -> PathBuf {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/prometheus");
    let path = tools.join("usr/bin").join(name);
    assert!(
        path.is_file(),
        "{}: not there; cargo xtask setup",
        path.display()
    );
    path
}

/// A file or folder that this project ships, below `config/`.
pub fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../config")
        .join(name)
}

fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
