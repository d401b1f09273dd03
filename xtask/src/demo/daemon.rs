//! `edge-filter` itself: the daemon on the server's side, and the commands an operator would type.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::command;
use crate::demo::interrupt::Interrupt;
use crate::demo::network::Namespace;

const READY_LIMIT: Duration = Duration::from_secs(20);
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// Files of one daemon, all in the demo's own folder.
pub struct Paths {
    /// The binary.
    pub program: PathBuf,
    /// Its configuration.
    pub config: PathBuf,
    /// Its control socket.
    pub socket: PathBuf,
    /// What it logs.
    pub log: PathBuf,
}

/// A running daemon; stopped on drop.
pub struct Daemon<'a> {
    child: Child,
    paths: &'a Paths,
    namespace: &'a Namespace,
}

impl<'a> Daemon<'a> {
    /// Starts `edge-filter run` and waits until it answers on its control socket.
    pub fn start(
        paths: &'a Paths,
        namespace: &'a Namespace,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let log = File::create(&paths.log)
            .with_context(|| format!("cannot write {}", paths.log.display()))?;
        let child = namespace
            .command(&paths.program)
            .args(["run", "--config"])
            .arg(&paths.config)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start the daemon")?;
        let mut daemon = Self {
            child,
            paths,
            namespace,
        };
        interrupt.wait_for("edge-filter is not ready", READY_LIMIT, || {
            if let Some(status) = daemon.child.try_wait()? {
                bail!("edge-filter ended ({status}):\n{}", daemon.log());
            }
            // Without the socket, `status` would read the pinned maps of a half-started filter.
            let is_listening = daemon.paths.socket.exists();
            Ok((is_listening && daemon.ask(&["status"]).is_ok()).then_some(()))
        })?;
        Ok(daemon)
    }

    /// Runs a command of `edge-filter` against this daemon and returns what it prints.
    pub fn ask(&self, arguments: &[&str]) -> Result<String> {
        command::output(
            self.namespace
                .command(&self.paths.program)
                .args(arguments)
                .env("EDGE_FILTER_SOCKET", &self.paths.socket)
                .env("EDGE_FILTER_CONFIG", &self.paths.config),
        )
    }

    /// What the daemon has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.paths.log).unwrap_or_default()
    }

    fn stop(&mut self) -> Result<()> {
        let pid = Pid::from_child(&self.child);
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        kill_process(pid, Signal::TERM)?;
        let deadline = Instant::now() + STOP_LIMIT;
        while self.child.try_wait()?.is_none() {
            if Instant::now() >= deadline {
                self.child.kill()?;
                self.child.wait()?;
                bail!(
                    "it had to be killed: no end within {} s",
                    STOP_LIMIT.as_secs()
                );
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            eprintln!("xtask: cannot stop edge-filter: {error:#}");
        }
    }
}
