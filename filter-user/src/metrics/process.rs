//! The daemon's own process, as `/proc/self` tells it.

use super::encode::Value;
use super::table::{CPU, MAX_FDS, Metric, OPEN_FDS, RESIDENT, START_TIME, VIRTUAL};
use rustix::process::{Resource, getrlimit};
use std::fs;

/// Ticks of `/proc/PID/stat` a second: `USER_HZ`, 100 on every architecture that eBPF runs on.
const TICKS_A_SECOND: f64 = 100.0;

/// What can be told; where `/proc` says nothing, nothing is told.
pub fn process() -> Vec<(&'static Metric, Value)> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let status = read("/proc/self/status");
    let stat = read("/proc/self/stat");
    let boot = read("/proc/stat");
    let open = fs::read_dir("/proc/self/fd").ok();
    // The folder is open itself while it is read.
    let open = open.map(|entries| (entries.count() as u64).saturating_sub(1));
    let limit = getrlimit(Resource::Nofile).current;
    let values = [
        (&CPU, cpu_seconds(&stat).map(Value::from)),
        (&RESIDENT, kibibytes(&status, "VmRSS:").map(Value::from)),
        (&VIRTUAL, kibibytes(&status, "VmSize:").map(Value::from)),
        (&OPEN_FDS, open.map(Value::from)),
        (&MAX_FDS, limit.map(Value::from)),
        (&START_TIME, start_seconds(&stat, &boot).map(Value::from)),
    ];
    let told = values.into_iter();
    told.filter_map(|(metric, value)| Some((metric, value?)))
        .collect()
}

/// A field of `/proc/PID/stat`, numbered as in proc_pid_stat(5). The name, field 2, may hold
/// spaces and parentheses.
fn field(stat: &str, number: usize) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(number - 3)?.parse().ok()
}

fn cpu_seconds(stat: &str) -> Option<f64> {
    Some((field(stat, 14)? + field(stat, 15)?) / TICKS_A_SECOND)
}

fn start_seconds(stat: &str, boot: &str) -> Option<f64> {
    let boot = boot.lines().find_map(|line| line.strip_prefix("btime "))?;
    Some(boot.trim().parse::<f64>().ok()? + field(stat, 22)? / TICKS_A_SECOND)
}

fn kibibytes(status: &str, key: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194304 1 2 3 4 150 50 0 0 20 0 1 0 1234 9 9";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!(start_seconds(stat, "cpu 1\nbtime 1000\n"), Some(1012.34));
        assert_eq!(cpu_seconds("7 (x) S"), None);
    }

    #[test]
    fn everything_is_told_of_this_process() {
        assert_eq!(process().len(), 6);
    }
}
