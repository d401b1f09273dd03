//! A terminal, of 80 by 24 unless told otherwise, in which `edge-filter` runs: Debian's tmux, with a server of its own.

use std::path::PathBuf;
use std::process::Command;

use super::{Host, binary};
use crate::netns::Namespace;
use crate::netns::wait;

/// A tmux server with one window; it is ended when this is dropped.
pub struct Terminal {
    namespace: Namespace,
    socket: PathBuf,
}

impl Terminal {
    /// Runs `edge-filter` with these arguments; the shell around it stays and says how it ended.
    ///
    /// # Panics
    /// Without tmux.
    pub fn start(namespace: &Namespace, host: &Host, arguments: &str) -> Self {
        Self::start_sized(namespace, host, arguments, (80, 24))
    }

    /// The same with so many characters and lines.
    ///
    /// # Panics
    /// Without tmux.
    pub fn start_sized(
        namespace: &Namespace,
        host: &Host,
        arguments: &str,
        (columns, lines): (u16, u16),
    ) -> Self {
        let terminal = Self {
            namespace: namespace.clone(),
            socket: host.path("tmux.sock"),
        };
        let (program, folder) = (binary(), host.path(""));
        let (program, folder) = (program.display(), folder.display());
        let line = format!(
            "EDGE_FILTER_CONFIG={folder}/config.toml EDGE_FILTER_SOCKET={folder}/control.sock \
             {program} {arguments}; echo ended with $?; exec cat"
        );
        terminal.tmux(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            &columns.to_string(),
            "-y",
            &lines.to_string(),
            &line,
        ]);
        terminal
    }

    /// What is on the screen.
    pub fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// The same with the control sequences of its colours.
    pub fn screen_with_colours(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-e", "-N"])
    }

    /// Waits until this is on the screen; the whole of it.
    ///
    /// # Panics
    /// If it does not come, with what is there instead.
    pub fn wait_for(&self, text: &str) -> String {
        let mut newest = String::new();
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait::until(&format!("{text:?} on the screen"), || {
                newest = self.screen();
                newest.contains(text).then_some(())
            });
        }));
        assert!(found.is_ok(), "no {text:?} on the screen:\n{newest}");
        newest
    }

    /// Presses keys, by tmux's names.
    pub fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Process of the shell's child, which is the program.
    pub fn program(&self) -> i32 {
        let shell = self.tmux(&["display-message", "-p", "#{pane_pid}"]);
        let shell = shell.trim();
        let path = format!("/proc/{shell}/task/{shell}/children");
        wait::until("the program in the terminal", || {
            let children = std::fs::read_to_string(&path).ok()?;
            children.split_whitespace().next()?.parse().ok()
        })
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let output = self.namespace.run(|| {
            Command::new("tmux")
                .args(["-u", "-S"])
                .arg(&self.socket)
                .args(arguments)
                .env("LANG", "C.UTF-8")
                .env("SHELL", "/bin/sh")
                .env_remove("TMUX")
                .output()
        });
        let output = output.expect("tmux must be installed: cargo xtask setup");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "tmux {arguments:?}: {complaint}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A server that has ended already is as good.
        let _ = Command::new("tmux")
            .arg("-S")
            .arg(&self.socket)
            .arg("kill-server")
            .output();
    }
}
