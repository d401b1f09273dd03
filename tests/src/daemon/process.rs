//! One run of `edge-filter run`.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};

use crate::netns::Namespace;
use crate::netns::wait::{self, PATIENCE};

/// How often the process is looked at while it is waited for.
const LOOK: Duration = Duration::from_millis(20);

/// A process that is killed when this is dropped.
pub struct Daemon {
    child: Child,
    notifications: Receiver<String>,
    /// Dropped to end the thread that reads them.
    _reading: Arc<()>,
}

impl Daemon {
    /// Starts it; returns at once. `log` gets what it writes, `notify` is made.
    ///
    /// # Panics
    /// If there is no such program.
    pub fn spawn(
        namespace: &Namespace,
        program: &Path,
        config: &Path,
        log: &Path,
        notify: &Path,
    ) -> Self {
        // Of the run before.
        let _ = fs::remove_file(notify);
        let socket = UnixDatagram::bind(notify).expect("the folder is ours");
        socket.set_read_timeout(Some(LOOK)).expect("not zero");
        let log = File::options().create(true).append(true).open(log);
        let log = log.expect("the folder is ours");
        let mut command = Command::new(program);
        command
            .args(["run", "--config"])
            .arg(config)
            .env("NOTIFY_SOCKET", notify)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a descriptor is to be had"))
            .stderr(log);
        let namespace = namespace.clone();
        let enter = move || {
            namespace.enter_process()?;
            // The thread that spawns is the test's own: with it, the daemon ends.
            set_parent_process_death_signal(Some(Signal::KILL)).map_err(io::Error::from)
        };
        // SAFETY: the closure makes system calls only; it takes no lock and allocates nothing.
        unsafe { command.pre_exec(enter) };
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()));
        let reading = Arc::new(());
        Self {
            child,
            notifications: read(socket, Arc::downgrade(&reading)),
            _reading: reading,
        }
    }

    /// Waits for READY=1; the exit status if it ends instead.
    ///
    /// # Errors
    /// The exit status.
    ///
    /// # Panics
    /// If neither comes.
    pub fn wait_until_ready(&mut self) -> Result<(), ExitStatus> {
        wait::until("READY=1 from the daemon", || {
            match self.notification() {
                Some(text) if text.lines().any(|line| line == "READY=1") => return Some(Ok(())),
                _ => {}
            }
            self.ended().map(Err)
        })
    }

    /// The next message to the service manager, if one comes soon.
    pub fn notification(&self) -> Option<String> {
        self.notifications.recv_timeout(LOOK).ok()
    }

    /// The exit status, once it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("it is our child")
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it does not come.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(Instant::now() < deadline, "the daemon does not end");
            thread::sleep(LOOK);
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether each of its threads sleeps: none works, is traced, or is about to end.
    pub fn is_at_rest(&self) -> bool {
        let sleeps = |thread: io::Result<fs::DirEntry>| {
            let status = thread.and_then(|thread| fs::read_to_string(thread.path().join("status")));
            status.is_ok_and(|status| status.contains("\nState:\tS"))
        };
        fs::read_dir(format!("/proc/{}/task", self.pid()))
            .is_ok_and(|mut threads| threads.all(sleeps))
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it has not been waited for");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // One that has ended already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Takes in messages as a service manager does: a socket that nobody reads holds ten of them, and
/// then holds up the daemon.
fn read(socket: UnixDatagram, reading: Weak<()>) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while reading.strong_count() > 0 {
            match socket.recv(&mut buffer) {
                Ok(length) => {
                    // Who no longer listens does not mind.
                    let _ = sender.send(String::from_utf8_lossy(&buffer[..length]).into_owned());
                }
                // A socket with a time limit is interrupted also by what concerns no handler.
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(error) => panic!("no notifications: {error}"),
            }
        }
    });
    receiver
}
