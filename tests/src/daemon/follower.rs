//! One run of `edge-filter events --follow --json`.

use std::io::{self, BufRead as _, BufReader, Read};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};
use serde_json::Value;

use super::Host;
use super::host::binary;
use crate::netns::wait::{self, PATIENCE};

/// A process that is killed when this is dropped.
pub struct Follower {
    child: Child,
    lines: Receiver<String>,
}

impl Follower {
    /// Starts it, and waits until the daemon has it among its followers.
    ///
    /// # Panics
    /// If it ends instead.
    pub fn start(host: &Host, arguments: &[&str]) -> Self {
        Self::try_start(host, arguments).expect("it follows")
    }

    /// The same; `None` if the daemon has no place for it.
    pub fn try_start(host: &Host, arguments: &[&str]) -> Option<Self> {
        let mut command = Command::new(binary());
        command
            .args(["events", "--follow", "--json"])
            .args(arguments)
            .env("EDGE_FILTER_SOCKET", host.path("control.sock"))
            .env("EDGE_FILTER_CONFIG", host.path("config.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // With the test's own thread, which spawns, it ends.
        let end = || set_parent_process_death_signal(Some(Signal::KILL)).map_err(io::Error::from);
        // SAFETY: the closure makes one system call; it takes no lock and allocates nothing.
        unsafe { command.pre_exec(end) };
        let mut child = command.spawn().expect("the binary must be built");
        let said = lines(child.stderr.take().expect("it is piped"));
        let first = said
            .recv_timeout(PATIENCE)
            .expect("it says that it follows");
        let follower = Self {
            lines: lines(child.stdout.take().expect("it is piped")),
            child,
        };
        let is_following = first.contains("since the filter was loaded");
        is_following.then_some(follower)
    }

    /// The next line.
    ///
    /// # Panics
    /// If none comes.
    pub fn line(&self) -> Value {
        let line = self.lines.recv_timeout(PATIENCE).expect("a line comes");
        serde_json::from_str(&line).expect("it is JSON")
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it has not been waited for");
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        wait::until("the end of the follower", || {
            self.child.try_wait().expect("it is our child")
        })
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // One that has ended already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lines as they come, until the end.
fn lines(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
