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
    /// Nobody let the client in.
    pub const NONE: Self = Self {
        requests: 0.0,
        seconds: 1.0,
        errors: 1.0,
        latency: [f64::NAN; 4],
    };

    /// Of one second.
    #[cfg(test)]
    pub const fn of(requests: f64, latency: [f64; 4]) -> Self {
        Self {
            requests,
            seconds: 1.0,
            errors: 0.0,
            latency,
        }
    }

    /// Requests in all.
    pub fn all(&self) -> f64 {
        self.requests * self.seconds
    }
}

/// Asks for so long. `None` if the connection that it tries first comes to no end.
///
/// # Errors
/// It fails otherwise.
pub fn run(bench: &Bench, world: &World, seconds: u32) -> Result<Option<Answer>> {
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
    let errors = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() && is_shut_out(&text, &errors) {
        return Ok(None);
    }
    ensure!(
        output.status.success(),
        "wrk: {}: {text}{errors}",
        output.status
    );
    parse(&text)
        .map(Some)
        .with_context(|| format!("wrk says: {text}"))
}

/// Its words for a server that is not reached; it then asks for nothing.
fn is_shut_out(text: &str, errors: &str) -> bool {
    [text, errors].iter().any(|said| {
        said.lines()
            .any(|line| line.starts_with("unable to connect") && line.ends_with("timed out"))
    })
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

#[cfg(test)]
mod tests {
    use super::{is_shut_out, parse};

    #[test]
    fn requests_are_counted_by_the_second_and_latencies_in_milliseconds() {
        let text =
            "Running 2s test @ http://10.77.0.1:80/\nbench 30000 2000000 3 4000 5000 9000 12500\n";
        let answer = parse(text).expect("it has the line");
        let [p50, p90, p99, p999] = answer.latency;
        for (found, expected) in [
            (answer.requests, 15_000.0),
            (answer.all(), 30_000.0),
            (answer.errors, 3.0),
            (p50, 4.0),
            (p90, 5.0),
            (p99, 9.0),
            (p999, 12.5),
        ] {
            assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
        }
    }

    #[test]
    fn a_server_that_is_not_reached_is_told_from_other_failures() {
        let shut_out = "unable to connect to 10.77.0.1:80 Connection timed out\n";
        assert!(is_shut_out(shut_out, "") && is_shut_out("", shut_out));
        let refused = "unable to connect to 10.77.0.1:80 Connection refused\n";
        assert!(!is_shut_out(refused, "") && !is_shut_out("", "no such script\n"));
    }

    #[test]
    fn an_answer_without_the_line_is_none() {
        assert!(parse("unable to connect to 10.77.0.1:80\n").is_none());
        assert!(parse("bench 1 2 3\n").is_none());
    }
}
