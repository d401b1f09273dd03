//! Captures through policies: rates by the capture's clock, destinations, interfaces, changes.

use super::super::{About, Capture, Judge, JudgeError, Replay, ReplayError, Report};
use super::{Writer, syn};
use crate::config::policy::Policy;
use crate::config::{self, HostFacts};
use serde_json::{Value, json};

const SERVER: [u8; 4] = [192, 0, 2, 80];

fn policy(allow: &str, more: &str) -> Policy {
    let text = format!(
        "[[interface]]\nname = \"eth0\"\n{more}\n[daemon]\ntracked_sources = 16384\n\
         [[service]]\nname = \"api\"\nports = [\"443/tcp\"]\nallow = [{allow}]\n\
         [service.rate_limit]\nconnections_per_second = 1\nburst = 2\n\
         packets_per_second = 1000000\n"
    );
    let read = |_: &std::path::Path| Err(std::io::Error::other("no lists"));
    let path = std::path::Path::new("config.toml");
    let loaded = config::load_from(path, text.as_bytes(), &read, &HostFacts::default());
    loaded.expect("a valid policy").policy
}

fn judge(policy: &Policy, device: Option<&str>) -> Judge {
    let ports = HostFacts::default().ephemeral_ports;
    Judge::new(policy, device, &ports).expect("a judge")
}

/// Milliseconds, source, and how long the packet was beyond what is there.
fn pcap(packets: &[(u64, [u8; 4])]) -> Vec<u8> {
    let mut file = Writer::new(false);
    file.pcap(0xa1b2_c3d4, 1);
    for (ms, source) in packets {
        let packet = syn(*source, SERVER, 443);
        let fraction = (ms % 1000) as u32 * 1000;
        file.record((ms / 1000) as u32, fraction, &packet, 54);
    }
    file.bytes
}

fn report(mut replay: Replay, bytes: &[u8]) -> Value {
    let mut capture = Capture::new(bytes).expect("a capture");
    replay.run(&mut capture).expect("to its end");
    let about = About {
        capture: "x.pcap".into(),
        format: capture.format(),
        config: "config.toml".into(),
        cut_at_byte: capture.cut_at(),
        damage: None,
        against_generation: None,
    };
    let report = Report::new(about, &replay, 2);
    assert!(report.to_string().starts_with("capture     x.pcap (pcap"));
    serde_json::to_value(report).expect("it is JSON")
}

/// `reason: packets` of the report.
fn reasons(report: &Value) -> Vec<(String, u64)> {
    let rows = report["verdicts"].as_array().expect("rows");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    rows.iter()
        .map(|row| {
            (
                text(&row["reason"]),
                row["packets"].as_u64().expect("a number"),
            )
        })
        .collect()
}

fn wanted(rows: &[(&str, u64)]) -> Vec<(String, u64)> {
    rows.iter()
        .map(|(name, n)| ((*name).to_owned(), *n))
        .collect()
}

const ONE: [u8; 4] = [10, 0, 0, 1];
const OTHER: [u8; 4] = [198, 51, 100, 7];

#[test]
fn the_captures_times_are_the_clock_of_the_rates() {
    let policy = policy("\"10.0.0.0/8\"", "");
    // A burst of two; the next two a second too early, the last in time.
    let times = [1_000_000, 1_000_001, 1_000_002, 1_000_003, 1_001_100];
    let bytes = pcap(&times.map(|ms| (ms, ONE)));
    let found = report(Replay::new(judge(&policy, None), None, Vec::new()), &bytes);
    let rows = [("connection_rate", 2), ("allowed", 3)];
    assert_eq!(reasons(&found), wanted(&rows));
    assert_eq!(found["first"], "1970-01-01T00:16:40.000000Z");
    assert_eq!(found["seconds"], 1.1);
    assert_eq!(
        found["top_sources"]["sources"][0],
        json!({
            "source": "10.0.0.1", "reasons": ["connection_rate"], "packets": 2, "bytes": 108,
            "first": "1970-01-01T00:16:40.002000Z", "last": "1970-01-01T00:16:40.003000Z",
        })
    );
}

#[test]
fn a_rate_holds_no_matter_how_long_a_capture_lasts() {
    let policy = policy("\"10.0.0.0/8\"", "");
    // Three at once, over and over, at times that wrap round both clocks of the rates.
    let hours = [0, 1, 4, 5, 9, 100, 312, 313, 400, 10_000];
    let times = hours.map(|hour| hour * 3_600_000 + 1_000_000);
    // Another source beside it, so that more than one part of the tables is in use.
    let others = (0..times.len() as u8).map(|n| [10, 1, n, n]);
    let three = |(ms, other): (&u64, [u8; 4])| [ONE, ONE, ONE, other].map(|from| (*ms, from));
    let packets: Vec<_> = times.iter().zip(others).flat_map(three).collect();
    let replay = Replay::new(judge(&policy, None), None, Vec::new());
    let found = report(replay, &pcap(&packets));
    let rows = [("connection_rate", 10), ("allowed", 30)];
    assert_eq!(reasons(&found), wanted(&rows));
}

#[test]
fn times_that_go_back_are_counted_and_refill_nothing() {
    let policy = policy("\"10.0.0.0/8\"", "");
    let bytes = pcap(&[5_000, 1_000, 4_000, 5_001].map(|ms| (ms, ONE)));
    let found = report(Replay::new(judge(&policy, None), None, Vec::new()), &bytes);
    assert_eq!(found["times_that_go_back"], 2);
    let rows = [("connection_rate", 2), ("allowed", 2)];
    assert_eq!(reasons(&found), wanted(&rows));
}

#[test]
fn packets_to_others_and_from_this_host_are_not_judged() {
    let policy = policy("\"any\"", "");
    let mut file = Writer::new(false);
    file.pcap(0xa1b2_c3d4, 113);
    for (kind, destination) in [(0, SERVER), (4, SERVER), (0, [192, 0, 2, 81])] {
        let frame = syn(ONE, destination, 443);
        let header = [0, kind, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0];
        let packet = [&header[..], &frame[12..]].concat();
        file.record(1, 0, &packet, packet.len() as u32);
    }
    for (to, judged, elsewhere, outgoing) in [(vec![], 2, 0, 1), (vec!["192.0.2.80/32"], 2, 1, 0)] {
        let to = to.iter().map(|to| to.parse().expect("a prefix")).collect();
        let replay = Replay::new(judge(&policy, None), None, to);
        let found = report(replay, &file.bytes);
        assert_eq!(found["judged"]["packets"], judged);
        let not = &found["not_judged"];
        assert_eq!(not["not_to_this_host"]["packets"], elsewhere);
        assert_eq!(not["outgoing"]["packets"], outgoing);
        assert_eq!(found["judged"]["bytes"], judged * 54);
    }
}

#[test]
fn packets_that_were_cut_are_judged_by_what_is_there_or_not_at_all() {
    let policy = policy("\"any\"", "");
    let mut file = Writer::new(false);
    let packet = syn(ONE, SERVER, 443);
    file.pcap(0xa1b2_c3d4, 1);
    file.record(1, 0, &packet, 54).record(1, 0, &packet, 60);
    file.record(1, 0, &packet[..30], 54);
    let found = report(
        Replay::new(judge(&policy, None), None, Vec::new()),
        &file.bytes,
    );
    assert_eq!(reasons(&found), wanted(&[("allowed", 2)]));
    assert_eq!(found["cut_by_snapshot_length"], 1);
    assert_eq!(found["not_judged"]["cut_short"]["packets"], 1);
    let notes = found["notes"].as_array().expect("notes");
    assert_eq!(notes.len(), 2, "{notes:?}");
}

#[test]
fn what_changes_against_the_policy_in_force_is_told_by_verdict_and_source() {
    let now = policy("\"10.0.0.0/8\"", "");
    let then = policy("\"198.51.100.0/24\", \"10.0.0.2\"", "");
    let packets = [ONE, [10, 0, 0, 2], OTHER, OTHER].map(|source| (1_000, source));
    let replay = Replay::new(judge(&now, None), Some(judge(&then, None)), Vec::new());
    let found = report(replay, &pcap(&packets));
    let changes = &found["changes"];
    assert_eq!(changes["changed"]["packets"], 3);
    let labels =
        |action: &str, reason: &str| json!({"service": "api", "action": action, "reason": reason});
    let (allowed, refused) = (labels("pass", "allowed"), labels("drop", "not_allowed"));
    assert_eq!(
        changes["rows"],
        json!([
            {"then": allowed, "now": refused, "packets": 2, "bytes": 108},
            {"then": refused, "now": allowed, "packets": 1, "bytes": 54},
        ])
    );
    let source = |list: &str| changes[list]["sources"][0]["source"].clone();
    assert_eq!(source("newly_dropped"), "198.51.100.7");
    assert_eq!(source("newly_passed"), "10.0.0.1");
}

#[test]
fn the_report_has_a_stable_shape_and_a_text_for_people() {
    let (now, then) = (policy("\"10.0.0.0/8\"", ""), policy("\"any\"", ""));
    let mut replay = Replay::new(judge(&now, None), Some(judge(&then, None)), Vec::new());
    let packets = [ONE, OTHER, OTHER].map(|source| (1_000, source));
    let bytes = pcap(&packets);
    let mut capture = Capture::new(&bytes[..]).expect("a capture");
    replay.run(&mut capture).expect("to its end");
    let about = About {
        capture: "x.pcap".into(),
        format: capture.format(),
        config: "config.toml".into(),
        cut_at_byte: None,
        damage: None,
        against_generation: Some(7),
    };
    let report = Report::new(about, &replay, 2);
    let value = serde_json::to_value(&report).expect("it is JSON");
    let keys: Vec<_> = value.as_object().expect("an object").keys().collect();
    // In the order of the alphabet; who reads the output counts on each.
    let wanted = "against_generation capture captured changes config cut_at_byte \
                  cut_by_snapshot_length damage first format judged last not_judged notes \
                  seconds times_that_go_back top_sources verdicts without_time";
    let mut keys: Vec<_> = keys.into_iter().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys.join(" "), wanted);
    let text = "\
capture     x.pcap (pcap), 3 packets, 162 bytes
time        1970-01-01T00:00:01.000000Z to 1970-01-01T00:00:01.000000Z, 0.000 s
policy      config.toml
judged      3 packets, 162 bytes

service  action  reason       packets  bytes
api      drop    not_allowed        2    108
api      pass    allowed            1     54

sources dropped most, or that would be
source        reasons      first                 last                  packets  bytes
198.51.100.7  not_allowed  1970-01-01T00:00:01Z  1970-01-01T00:00:01Z        2    108

against the policy in force, generation 7: 2 packets, 108 bytes judged otherwise

then              now                   packets  bytes
api pass allowed  api drop not_allowed        2    108

sources newly dropped
source        reasons      first                 last                  packets  bytes
198.51.100.7  not_allowed  1970-01-01T00:00:01Z  1970-01-01T00:00:01Z        2    108
";
    assert_eq!(report.to_string(), text);
}

#[test]
fn packets_come_in_by_the_interface_that_the_capture_or_the_operator_names() {
    let two = policy("\"any\"", "[[interface]]\nname = \"eth1\"\n");
    let mut file = Writer::new(false);
    file.section().interface(1, &[(2, b"eth1")]);
    file.enhanced(0, 1, &syn(ONE, SERVER, 443), &[]);
    let found = report(
        Replay::new(judge(&two, None), None, Vec::new()),
        &file.bytes,
    );
    assert_eq!(reasons(&found), wanted(&[("allowed", 1)]));
    let nameless = pcap(&[(1, ONE)]);
    let named = judge(&two, Some("eth0"));
    let found = report(Replay::new(named, None, Vec::new()), &nameless);
    assert_eq!(reasons(&found), wanted(&[("allowed", 1)]));
    let mut replay = Replay::new(judge(&two, None), None, Vec::new());
    let mut capture = Capture::new(&nameless[..]).expect("a capture");
    let error = replay.run(&mut capture).expect_err("nobody knows");
    assert!(matches!(error, ReplayError::Judge(_)));
    assert!(error.to_string().contains("eth0, eth1"), "{error}");
    let ports = HostFacts::default().ephemeral_ports;
    let error = Judge::new(&two, Some("eth9"), &ports);
    assert!(matches!(error, Err(JudgeError::NoSuchDevice { .. })));
}
