//! Services that mean only some of the host's addresses.

use edge_filter_tests::daemon::Host;
use edge_filter_tests::netns::Net;
use edge_filter_tests::netns::sockets::{Answer, Echo, ask_tcp};
use edge_filter_tests::netns::wait::{PATIENCE, SILENCE};

use crate::{PORT, WIRE};

#[test]
fn a_service_filters_only_the_addresses_that_it_means() {
    let net = Net::new();
    net.server
        .ip("address add 10.77.0.2/24 dev s0\naddress add fd77::2/64 dev s0 nodad\n");
    let _host = Host::start_with(
        &net.server,
        r#"
[[interface]]
name = "s0"

[[service]]
name = "api"
ports = ["7000/tcp"]
addresses = ["10.77.0.1", "fd77::1"]
allow = ["10.77.0.10", "fd77::a"]

[[service]]
name = "other"
ports = ["7000/tcp"]
addresses = ["fd77::2"]
allow = ["fd77::b"]
"#,
    );
    let ask = |source: u8, server: &str, wait| {
        let server = server.parse().expect("it is an address");
        let _tcp = Echo::tcp(&net.server, (server, PORT));
        let source = WIRE.client(source, server.is_ipv6());
        net.client
            .run(|| ask_tcp(source, (server, PORT).into(), 10, wait))
    };
    assert_eq!(ask(10, "10.77.0.1", PATIENCE), Answer::Served);
    assert_eq!(ask(11, "10.77.0.1", SILENCE), Answer::Silence);
    assert_eq!(ask(11, "10.77.0.2", PATIENCE), Answer::Served);
    assert_eq!(ask(10, "fd77::1", PATIENCE), Answer::Served);
    assert_eq!(ask(11, "fd77::1", SILENCE), Answer::Silence);
    assert_eq!(ask(10, "fd77::2", SILENCE), Answer::Silence);
    assert_eq!(ask(11, "fd77::2", PATIENCE), Answer::Served);
}
