//! Debian's fail2ban with everything it writes in a folder of its own, watching one log.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};

use super::{Host, binary};
use crate::netns::Namespace;
use crate::netns::wait;

/// The only jail.
pub const JAIL: &str = "api-abuse";
/// How long it bans.
pub const BAN_SECONDS: u64 = 600;

/// A server that is killed when this is dropped.
pub struct Fail2ban {
    child: Child,
    namespace: Namespace,
    folder: PathBuf,
}

impl Fail2ban {
    /// Starts it on a host, with the action file that this project ships, and waits until it
    /// answers. A second one on this host finds the database of the first.
    ///
    /// # Panics
    /// Without Debian's fail2ban, or if it does not start.
    pub fn start(namespace: &Namespace, host: &Host) -> Self {
        let folder = host.path("fail2ban");
        configure(&folder, &host.path("config.toml"));
        let mut command = program("fail2ban-server", &folder);
        command.args(["-f", "start"]);
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
            child: command.spawn().expect("python3 must be installed"),
            namespace: namespace.clone(),
            folder,
        };
        wait::until("fail2ban watching the log", || {
            started.try_client(&["status", JAIL]).then_some(())
        });
        started
    }

    /// Writes a line that the jail takes for an offence.
    pub fn offend(&self, address: &str) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.expect("it is after 1970").as_secs();
        let mut log = File::options()
            .append(true)
            .open(self.folder.join("watched.log"))
            .expect("the folder is ours");
        writeln!(log, "{now} refused {address}").expect("the folder is ours");
    }

    /// Runs `fail2ban-client`.
    ///
    /// # Panics
    /// If it fails.
    pub fn client(&self, arguments: &[&str]) {
        assert!(self.try_client(arguments), "fail2ban-client {arguments:?}");
    }

    fn try_client(&self, arguments: &[&str]) -> bool {
        let mut command = program("fail2ban-client", &self.folder);
        let output = self.namespace.run(|| command.args(arguments).output());
        output.expect("python3 must be installed").status.success()
    }

    /// Ends it as a service manager does.
    pub fn stop(mut self) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).expect("it has not been waited for");
        wait::until("the end of fail2ban", || {
            self.child.try_wait().expect("it is our child")
        });
    }

    /// What it wrote.
    pub fn log(&self) -> String {
        let read = |name| fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        read("output") + &read("fail2ban.log")
    }
}

impl Drop for Fail2ban {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- fail2ban:\n{}---", self.log());
        }
        // One that has ended already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program(name: &str, folder: &Path) -> Command {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/fail2ban");
    let path = tools.join("usr/bin").join(name);
    assert!(
        path.is_file(),
        "{}: not there; cargo xtask setup",
        path.display()
    );
    let mut command = Command::new("/usr/bin/python3");
    command
        .args(["-B".as_ref(), path.as_os_str(), "-c".as_ref()])
        .arg(folder)
        .arg("-s")
        .arg(folder.join("socket"))
        .arg("-p")
        .arg(folder.join("pid"))
        .env("PYTHONPATH", tools.join("usr/lib/python3/dist-packages"));
    command
}

fn configure(folder: &Path, config: &Path) {
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("it is in the folder"))
            .and_then(|()| fs::write(path, text))
            .expect("the folder is ours");
    };
    let action =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/fail2ban/action.d/edge-filter.conf");
    let action = fs::read_to_string(action).expect("the action file is shipped");
    write("action.d/edge-filter.conf", &action);
    write(
        "filter.d/refused.conf",
        "[Definition]\nfailregex = ^\\s*refused <ADDR>$\ndatepattern = {^LN-BEG}EPOCH\n",
    );
    let place = folder.display();
    write(
        "fail2ban.conf",
        &format!(
            "[Definition]\nloglevel = INFO\nlogtarget = {place}/fail2ban.log\nsyslogsocket = auto\n\
             socket = {place}/socket\npidfile = {place}/pid\ndbfile = {place}/database\n\
             dbpurgeage = 1d\ndbmaxmatches = 10\nallowipv6 = auto\n[Thread]\nstacksize = 0\n"
        ),
    );
    let program = binary();
    write(
        "jail.conf",
        &format!(
            "[{JAIL}]\nenabled = true\nfilter = refused\nbackend = polling\nusedns = no\n\
             logpath = {place}/watched.log\nmaxretry = 1\nfindtime = 600\nbantime = {BAN_SECONDS}\n\
             action = edge-filter[edge_filter=\"{} --config {}\"]\n",
            program.display(),
            config.display()
        ),
    );
    let log = folder.join("watched.log");
    let log = File::options().create(true).append(true).open(log);
    drop(log.expect("the folder is ours"));
}
