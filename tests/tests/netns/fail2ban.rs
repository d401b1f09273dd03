//! Debian's fail2ban bans through the action file that this project ships.

use edge_filter_tests::daemon::{BAN_SECONDS, Fail2ban, Host, JAIL};
use edge_filter_tests::netns::Net;
use edge_filter_tests::netns::sockets::{Answer, Echo, ask_udp};
use edge_filter_tests::netns::wait::{self, PATIENCE, SILENCE};
use serde_json::Value;

use crate::{FAMILIES, PORT, WIRE};

const POLICY: &str = r#"
[[interface]]
name = "s0"

[[service]]
name = "api"
ports = ["7000/udp"]
allow = ["any"]
"#;

/// The ban of an address, if there is one.
fn ban_of(host: &Host, address: &str) -> Option<Value> {
    let bans = host.json(&["bans"]);
    let bans = bans["bans"].as_array().expect("it is a list").clone();
    bans.into_iter().find(|ban| ban["address"] == address)
}

#[test]
fn an_offence_in_a_log_is_a_ban_until_fail2ban_lifts_it() {
    let net = Net::new();
    let mut host = Host::start_with(&net.server, POLICY);
    let fail2ban = Fail2ban::start(&net.server, &host);
    for is_ipv6 in FAMILIES {
        let server = (WIRE.server(is_ipv6), PORT);
        let _udp = Echo::udp(&net.server, server);
        let source = WIRE.client(10, is_ipv6);
        let ask = |wait| net.client.run(|| ask_udp(source, server.into(), 10, wait));
        let source = source.to_string();
        assert_eq!(ask(PATIENCE), Answer::Served);
        fail2ban.offend(&source);
        let ban = wait::until("a ban by fail2ban", || ban_of(&host, &source));
        assert_eq!(ban["note"], Value::from(format!("fail2ban {JAIL}")));
        let left = ban["seconds_left"].as_u64().expect("it is timed");
        assert!((1..=BAN_SECONDS).contains(&left), "{left}");
        assert_eq!(ask(SILENCE), Answer::Silence);
        fail2ban.client(&["set", JAIL, "unbanip", &source]);
        wait::until("the end of the ban", || {
            ban_of(&host, &source).is_none().then_some(())
        });
        assert_eq!(ask(PATIENCE), Answer::Served);
    }
    // A longer ban by somebody else is not the jail's to lift.
    for offender in ["10.77.0.12", "10.77.0.13"] {
        fail2ban.offend(offender);
        wait::until("a ban by fail2ban", || ban_of(&host, offender));
    }
    let longer = ["ban", "10.77.0.12", "--for", "2days", "--note", "operator"];
    host.ask(&longer);
    fail2ban.client(&["set", JAIL, "unbanip", "10.77.0.12"]);
    fail2ban.client(&["set", JAIL, "unbanip", "10.77.0.13"]);
    wait::until("the end of the second ban", || {
        ban_of(&host, "10.77.0.13").is_none().then_some(())
    });
    let ban = ban_of(&host, "10.77.0.12").expect("it stays");
    assert_eq!(ban["note"], "operator");
    // fail2ban lifts its bans when it stops, and restores them with what is left; also while our
    // daemon is dead.
    host.kill();
    fail2ban.offend("10.77.0.11");
    let first = wait::until("a ban by fail2ban", || ban_of(&host, "10.77.0.11"));
    fail2ban.stop();
    assert_eq!(ban_of(&host, "10.77.0.11"), None);
    let fail2ban = Fail2ban::start(&net.server, &host);
    let again = wait::until("the ban restored", || ban_of(&host, "10.77.0.11"));
    let left = |ban: &Value| ban["seconds_left"].as_u64().expect("it is timed");
    // To within the second that the shell counts in.
    assert!(left(&again) <= left(&first) + 1, "{first} {again}");
    fail2ban.stop();
}
