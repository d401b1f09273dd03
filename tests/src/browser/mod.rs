//! A real browser without a window: Debian's Chromium, driven over a pipe by the Chrome DevTools
//! protocol. It reaches what its namespace reaches and writes to a folder of its own; it ends with
//! this, also when the test process is killed: it reads that its pipe is closed.

mod pipe;

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::netns::Namespace;
use crate::netns::wait;
use pipe::Pipe;

/// What keeps it from asking anybody but the page under test, and from needing what namespaces
/// and containers do not have.
const FLAGS: [&str; 12] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--no-proxy-server",
    "--remote-debugging-pipe",
];

/// One browser with one page.
pub struct Browser {
    child: Child,
    pipe: Pipe,
    _profile: TempDir,
}

impl Browser {
    /// Opens a page; returns when it has been loaded.
    ///
    /// # Panics
    /// Without Chromium, or if the page cannot be loaded.
    pub fn open(namespace: &Namespace, url: &str) -> Self {
        let profile = tempfile::Builder::new()
            .prefix("edge-filter-browser-")
            .tempdir()
            .expect("there is a temporary folder");
        let (pipe, ends) = Pipe::new();
        let mut command = Command::new("chromium");
        command
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .env("HOME", profile.path())
            // It is killed, and removes nothing then.
            .env("TMPDIR", profile.path())
            .env_remove("DBUS_SESSION_BUS_ADDRESS")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        ends.give(&mut command);
        let child = namespace.run(|| command.spawn());
        // The browser has its ends now; ours must be the only others.
        drop(command);
        let child = child.expect("chromium must be installed: cargo xtask setup");
        let mut browser = Self {
            child,
            pipe,
            _profile: profile,
        };
        browser.pipe.attach();
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        let loaded = browser.call("Page.navigate", json!({ "url": url }));
        assert_eq!(loaded["errorText"], Value::Null, "{url}");
        browser.wait_for("document.readyState === 'complete'");
        browser
    }

    /// Calls a method of the protocol.
    ///
    /// # Panics
    /// If it fails.
    pub fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.pipe.call(method, parameters)
    }

    /// The value of an expression in the page.
    ///
    /// # Panics
    /// If it throws.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let parameters = json!({
            "expression": expression, "returnByValue": true, "awaitPromise": true,
        });
        let answer = self.call("Runtime.evaluate", parameters);
        let thrown = &answer["exceptionDetails"];
        assert_eq!(*thrown, Value::Null, "{expression}: {thrown}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true in the page.
    ///
    /// # Panics
    /// If it never is; says what stands on the page instead.
    pub fn wait_for(&mut self, expression: &str) {
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait::until(expression, || {
                (self.evaluate(expression) == true).then_some(())
            });
        }));
        assert!(found.is_ok(), "never: {expression}; page:\n{}", self.text());
    }

    /// What a person reads.
    pub fn text(&mut self) -> String {
        let text = self.evaluate("document.body.innerText");
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Presses a key, by its name.
    pub fn press(&mut self, key: &str) {
        for kind in ["keyDown", "keyUp"] {
            let text = if key == "Enter" { "\r" } else { "" };
            let code = match key {
                "Enter" => 13,
                "Tab" => 9,
                _ => 0,
            };
            let parameters = json!({
                "type": kind, "key": key, "code": key, "text": text, "windowsVirtualKeyCode": code,
            });
            self.call("Input.dispatchKeyEvent", parameters);
        }
    }

    /// Types a text.
    pub fn write(&mut self, text: &str) {
        self.call("Input.insertText", json!({ "text": text }));
    }

    /// Another size, and `dark` or `light`.
    pub fn look(&mut self, width: u32, height: u32, scheme: &str) {
        let metrics = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600,
        });
        self.call("Emulation.setDeviceMetricsOverride", metrics);
        self.call("Emulation.setScrollbarsHidden", json!({ "hidden": true }));
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        let media = json!({ "features": features });
        self.call("Emulation.setEmulatedMedia", media);
    }

    /// The whole page as a PNG of this path.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn screenshot(&mut self, path: &Path) {
        // Without a clip, the width of a scroll bar that is not drawn is missing.
        let size = "[innerWidth, document.documentElement.scrollHeight]";
        let size = self.evaluate(size);
        let clip = json!({ "x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1 });
        let parameters = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let answer = self.call("Page.captureScreenshot", parameters);
        let data = answer["data"].as_str().expect("it is base64");
        fs::write(path, pipe::from_base64(data)).expect("the folder is ours");
    }

    /// Addresses that were asked for, in their order.
    pub fn requests(&self) -> Vec<String> {
        let sent = self.pipe.events("Network.requestWillBeSent");
        let url = |event: &Value| event["request"]["url"].as_str().map(str::to_owned);
        sent.filter_map(url).collect()
    }

    /// Errors and warnings of the console, uncaught exceptions, violations of the policy, failed
    /// requests.
    pub fn complaints(&self) -> Vec<String> {
        let entries = self.pipe.events("Log.entryAdded").map(|e| &e["entry"]);
        let entries =
            entries.filter(|entry| entry["level"] != "info" && entry["level"] != "verbose");
        let console = self.pipe.events("Runtime.consoleAPICalled");
        let thrown = self.pipe.events("Runtime.exceptionThrown");
        let all = entries.chain(console).chain(thrown);
        all.map(Value::to_string).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Its helpers are of its group. One that has ended already is as good.
        if let Some(group) = Pid::from_raw(self.child.id().cast_signed()) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}
