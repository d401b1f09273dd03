//! A configuration and its lists in a Kubernetes volume: an update of the ConfigMap reloads.

use edge_filter_tests::daemon::{ConfigMap, Daemon, Host, Metrics};
use edge_filter_tests::netns::Net;
use edge_filter_tests::netns::sockets::{Answer, Echo, ask_tcp};
use edge_filter_tests::netns::wait::{self, SILENCE};

use crate::{PORT, WIRE};

/// `ALSO` stands for more entries.
pub const POLICY: &str = r#"
[[interface]]
name = "s0"

[prefix_list.partners]
file = "partners.txt"
max_shrink_percent = 100

[[service]]
name = "api"
ports = ["7000/tcp"]
allow = ["partners"ALSO]
"#;

/// A daemon whose configuration is in a volume.
struct Pod {
    // Ends first: it writes into the host's folder, which goes with the host.
    _daemon: Daemon,
    net: Net,
    host: Host,
    volume: ConfigMap,
    _echo: Echo,
}

impl Pod {
    fn start() -> Self {
        let net = Net::new();
        let host = Host::new(&net.server);
        let folder = host.path("volume");
        let config = host.config(&POLICY.replace("ALSO", ""));
        let files = [("config.toml", &*config), ("partners.txt", "10.77.0.10\n")];
        let volume = ConfigMap::new(&folder, &files);
        let mut daemon = Daemon::spawn(
            &net.server,
            &edge_filter_tests::daemon::binary(),
            &folder.join("config.toml"),
            &host.path("daemon.log"),
            &host.path("notify.sock"),
        );
        daemon.wait_until_ready().expect("it starts");
        let _echo = Echo::tcp(&net.server, (WIRE.server(false), PORT));
        Self {
            _daemon: daemon,
            net,
            host,
            volume,
            _echo,
        }
    }

    fn update(&mut self, also: &str, partners: &str) {
        let config = self.host.config(&POLICY.replace("ALSO", also));
        let files = [("config.toml", &*config), ("partners.txt", partners)];
        self.volume.update(&files);
    }

    fn ask(&self, source: u8) -> Answer {
        let server = (WIRE.server(false), PORT).into();
        let source = WIRE.client(source, false);
        self.net.client.run(|| ask_tcp(source, server, 10, SILENCE))
    }

    fn wait_until_served(&self, source: u8) {
        wait::until("the new policy to serve", || {
            (self.ask(source) == Answer::Served).then_some(())
        });
    }

    fn metrics(&self) -> Metrics {
        self.host.metrics()
    }
}

#[test]
fn each_update_of_the_map_is_noticed_in_the_file_and_in_the_lists() {
    let mut pod = Pod::start();
    pod.wait_until_served(10);
    assert_eq!(pod.ask(11), Answer::Silence);
    // The list alone.
    pod.update("", "10.77.0.11\n");
    pod.wait_until_served(11);
    assert_eq!(pod.ask(10), Answer::Silence);
    // The configuration alone; then both, from folders that the watcher has not met before.
    pod.update(", \"10.77.0.12\"", "10.77.0.11\n");
    pod.wait_until_served(12);
    pod.update(", \"10.77.0.13\"", "10.77.0.14\n");
    for source in [13, 14] {
        pod.wait_until_served(source);
    }
    for source in [11, 12] {
        assert_eq!(pod.ask(source), Answer::Silence, "{source}");
    }
    // Folders that are gone are an ordinary thing, and not for the log.
    let log = pod.host.log();
    assert!(!log.contains("WARN") && !log.contains("watch"), "{log}");
}

#[test]
fn an_update_that_is_not_valid_changes_nothing_and_the_next_is_noticed() {
    let mut pod = Pod::start();
    pod.wait_until_served(10);
    let before = pod.metrics().value("edge_filter_policy_generation", &[]);
    pod.update(", \"nobody\"", "10.77.0.11\n");
    pod.host.wait_for_log("reload REJECTED");
    let after = pod.metrics().value("edge_filter_policy_generation", &[]);
    assert_eq!(before, after);
    assert_eq!(pod.ask(10), Answer::Served);
    assert_eq!(pod.ask(11), Answer::Silence);
    wait::until("the metric", || {
        let differs = pod.metrics().value("edge_filter_policy_file_differs", &[]);
        (differs == 1.0).then_some(())
    });
    pod.update("", "10.77.0.11\n");
    pod.wait_until_served(11);
    wait::until("the metric", || {
        let differs = pod.metrics().value("edge_filter_policy_file_differs", &[]);
        (differs == 0.0).then_some(())
    });
}
