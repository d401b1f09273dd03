//! The client: wrk, sixty-four connections at a time, each for one request.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use edge_filter_tests::netns::Wire;

use super::world::{PORT, World};
use crate::Bench;

const CONNECTIONS: &str = "64";
/// What is printed when it ends, for us to read.
const SCRIPT: &str = r#"done = function(summary, latency, requests)
  local e = summary.errors
  local errors = e.connect + e.read + e.write + e.status + e.timeout
  io.write(string.format("bench %d %d %d %d %d %d %d\n", summary.requests, summary.duration,
    errors, latency:percentile(50), latency:percentile(90), latency:percentile(99),
    latency:percentile(99.9)))
end
"#;

/// What it found.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// A second.
    pub requests: f64,
    seconds: f64,
    /// Of all.
    pub errors: f64,
    /// Milliseconds: 50, 90, 99, 99.9 %.
    pub latency: [f64; 4],
}

impl Answer {
    /// Requests in all.
    pub fn all(&self) -> f64 {
        self.requests * self.seconds
    }
}

/// Asks for so long.
///
/// # Errors
/// It fails, or nobody answers.
pub fn run(bench: &Bench, world: &World, seconds: u32) -> Result<Answer> {
    let script = bench.folder().join("wrk.lua");
    fs::write(&script, SCRIPT).context("wrk.lua")?;
    let address = Wire(0).server(false);
    let mut command = Command::new("wrk");
    command
        .args(["--threads", "1", "--connections", CONNECTIONS])
        .args(["--duration", &format!("{seconds}s"), "--script"])
        .arg(&script)
        .arg(format!("http://{address}:{PORT}/"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = world.net.client.start(&mut command);
    let output = child
        .context("wrk: cargo xtask bench installs it")?
        .wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "wrk: {}: {text}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    parse(&text).with_context(|| format!("wrk says: {text}"))
}

fn parse(text: &str) -> Option<Answer> {
    let line = text.lines().find_map(|line| line.strip_prefix("bench "))?;
    let numbers: Option<Vec<f64>> = line.split(' ').map(|word| word.parse().ok()).collect();
    let [requests, micros, errors, p50, p90, p99, p999] = numbers?.try_into().ok()?;
    let seconds = micros / 1e6;
    Some(Answer {
        requests: requests / seconds,
        seconds,
        errors,
        latency: [p50, p90, p99, p999].map(|micros| micros / 1e3),
    })
}
