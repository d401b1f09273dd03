//! Faults in the daemon's system calls, by the real `strace`: a call fails, or is the last one.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use super::Daemon;
use crate::netns::wait;

/// One run of it. The daemon goes on without it when this is dropped.
pub struct Strace {
    child: Child,
    log: PathBuf,
}

impl Strace {
    /// Attaches to all threads of a daemon and to those that it will make, with this as the
    /// argument of `--inject`. `log` gets each call of that kind.
    ///
    /// # Panics
    /// If it is not installed, or cannot attach.
    pub fn attach(daemon: &Daemon, inject: &str, log: &Path) -> Self {
        // Of the run before.
        let _ = fs::remove_file(log);
        let calls = inject.split(':').next().expect("it names a call");
        let child = Command::new("strace")
            .args(["--follow-forks", "--attach", &daemon.pid().to_string()])
            .args(["--trace", calls, "--inject", inject, "--output"])
            .arg(log)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = child.expect("strace must be installed: cargo xtask setup");
        let mut said = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut line = String::new();
        said.read_line(&mut line).expect("it is text");
        let strace = Self {
            child,
            log: log.to_path_buf(),
        };
        assert!(line.contains("attached"), "strace {inject}: {line}");
        // What else it says must not hold it up.
        thread::spawn(move || said.read_to_end(&mut Vec::new()));
        strace
    }

    /// Detaches; whether a call was made to fail.
    ///
    /// # Panics
    /// If it does not end.
    pub fn finish(mut self) -> bool {
        self.end();
        let log = fs::read_to_string(&self.log).expect("it wrote one");
        log.contains("(INJECTED)")
    }

    fn end(&mut self) {
        // It may have ended with the daemon.
        let _ = kill_process(Pid::from_child(&self.child), Signal::INT);
        wait::until("the end of strace", || {
            self.child.try_wait().expect("it is our child")
        });
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
