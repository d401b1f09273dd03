//! A capture by the real `tcpdump`, in a namespace.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::Namespace;
use super::wait;

/// One run of it, ended on drop.
pub struct Tcpdump {
    child: Child,
    file: PathBuf,
}

impl Tcpdump {
    /// Starts it with these arguments, writing to `file`, and waits until it captures.
    ///
    /// # Panics
    /// If it is not installed, or does not capture.
    pub fn start(namespace: &Namespace, arguments: &[&str], file: &Path) -> Self {
        let written = File::create(file).expect("the folder is ours");
        let mut command = Command::new("tcpdump");
        command
            // Each packet at once; as the user that started it, for it may run anywhere.
            .args(["--immediate-mode", "-U", "-n", "-Z", "root", "-w", "-"])
            // Room for thousands of packets, which come faster than they are written.
            .args(["-s", "2048", "-B", "16384"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(written)
            .stderr(Stdio::piped());
        let child = namespace.run(|| command.spawn());
        let mut child = child.expect("tcpdump must be installed: cargo xtask setup");
        let said = child.stderr.take().expect("it is piped");
        let tcpdump = Self {
            child,
            file: file.to_path_buf(),
        };
        let mut lines = BufReader::new(said).lines().map_while(Result::ok);
        let is_capturing = lines.any(|line| line.contains("listening on"));
        assert!(is_capturing, "tcpdump {arguments:?} ended");
        tcpdump
    }

    /// Ends it as soon as it has written these bytes.
    ///
    /// # Panics
    /// If it never does.
    pub fn end_after(mut self, bytes: &[u8]) {
        wait::until("the last packet in the capture", || {
            let written = fs::read(&self.file).expect("it is ours");
            let mut windows = written.windows(bytes.len());
            windows.any(|window| window == bytes).then_some(())
        });
        self.signal();
        wait::until("the end of tcpdump", || {
            self.child.try_wait().expect("it is our child")
        });
    }

    fn signal(&self) {
        // It may have ended by itself.
        let _ = kill_process(Pid::from_child(&self.child), Signal::INT);
    }
}

impl Drop for Tcpdump {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal();
            let _ = self.child.wait();
        }
    }
}
