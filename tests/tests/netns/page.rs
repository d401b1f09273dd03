//! The status page in a real browser, and what it tells to whom.

use std::path::PathBuf;

use edge_filter_tests::browser::Browser;
use edge_filter_tests::daemon::{Host, METRICS};
use edge_filter_tests::netns::Net;
use edge_filter_tests::netns::frames::{Flow, Mark, SYN};
use edge_filter_tests::netns::raw::PacketSocket;
use serde_json::Value;

use crate::{PORT, WIRE};

const POLICY: &str = r#"
[[interface]]
name = "s0"

[[service]]
name = "api"
ports = ["7000/tcp"]
allow = ["10.77.0.10"]

[[service]]
name = "telemetry-collector-of-the-second-floor"
ports = ["7001/udp"]
allow = ["any"]
"#;

/// Colours of text and ground, worst contrast first, of everything that is read (WCAG 2.2, 1.4.3).
const CONTRAST: &str = r"(() => {
  const parse = (text) => text.match(/[\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, n) => sum + c * [0.2126, 0.7152, 0.0722][n], 0);
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const colour = parse(getComputedStyle(node).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const texts = [...document.querySelectorAll('body *')].filter((node) =>
    [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim()) &&
    !['SCRIPT', 'NOSCRIPT', 'STYLE'].includes(node.tagName));
  return texts.map((node) => {
    const [a, b] = [light(parse(getComputedStyle(node).color)), light(ground(node))];
    return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), node.outerHTML.slice(0, 80)];
  }).sort((a, b) => a[0] - b[0])[0];
})()";

fn send(net: &Net, source: u8, times: u64) {
    let flow = Flow::new(
        (WIRE.client(source, false), 40_000),
        (WIRE.server(false), PORT),
    );
    net.client.run(|| {
        let socket = PacketSocket::open(&WIRE.client_device());
        for number in 0..times {
            socket.send(&flow.tcp(SYN, Mark { flow: 0, number }));
        }
    });
}

/// Kept where one asks for it, to be looked at.
fn screenshot(browser: &mut Browser, host: &Host, name: &str) {
    let folder = std::env::var_os("EDGE_FILTER_SCREENSHOTS").map(PathBuf::from);
    let path = folder.unwrap_or_else(|| host.path("")).join(name);
    browser.screenshot(&path);
    let size = std::fs::metadata(&path).expect("it was written").len();
    assert!(size > 10_000, "{name} is not empty: {size}");
}

fn dropped() -> String {
    "[...document.querySelectorAll('#lines tr')].filter((row) => \
     row.innerText.includes('not_allowed')).map((row) => Number(row.cells[5].innerText))[0]"
        .to_owned()
}

#[test]
fn it_loads_without_a_complaint_and_its_numbers_move_under_traffic() {
    let net = Net::new();
    let mut host = Host::start_with(&net.server, POLICY);
    let mut browser = Browser::open(&net.server, &format!("http://{METRICS}/"));
    browser.wait_for("document.getElementById('state').innerText.includes('generation 1')");
    send(&net, 11, 20);
    browser.wait_for(&format!("{} === 20", dropped()));
    browser.wait_for("document.getElementById('sources').innerText.includes('10.77.0.11')");
    send(&net, 11, 5);
    browser.wait_for(&format!("{} === 25", dropped()));
    let text = browser.text();
    for part in ["api", "not_allowed", "s0 native", "pid ", "would drop"] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    assert_eq!(
        browser.evaluate("document.getElementById('alerts').innerText"),
        ""
    );

    // Only this page and what it polls.
    let requests = browser.requests();
    let known = [
        format!("http://{METRICS}/"),
        format!("http://{METRICS}/status.json"),
    ];
    let others: Vec<_> = requests
        .iter()
        .filter(|url| !known.contains(url) && !url.starts_with("data:"))
        .collect();
    assert!(others.is_empty(), "{others:?}");
    assert!(requests.len() > 2, "{requests:?}");
    assert_eq!(browser.complaints(), Vec::<String>::new());

    // The daemon's end is said, and that the filter goes on.
    host.kill();
    browser.wait_for("document.getElementById('alerts').innerText.includes('No answer')");
    host.start();
    browser.wait_for("document.getElementById('alerts').innerText === ''");
}

#[test]
fn it_is_read_on_a_phone_in_the_dark_and_with_the_keyboard_alone() {
    let net = Net::new();
    let host = Host::start_with(&net.server, POLICY);
    host.ask(&[
        "ban",
        "2001:db8:1234:5678::/64",
        "--note",
        "as long as addresses are",
    ]);
    let mut browser = Browser::open(&net.server, &format!("http://{METRICS}/"));
    send(&net, 11, 20);
    browser.wait_for(&format!("{} === 20", dropped()));
    for (width, height) in [(1100, 800), (320, 640)] {
        for scheme in ["light", "dark"] {
            browser.look(width, height, scheme);
            let wide = browser.evaluate("document.documentElement.scrollWidth");
            assert!(wide.as_u64() <= Some(width.into()), "{wide} at {width}");
            let worst = browser.evaluate(CONTRAST);
            assert!(worst[0].as_f64() >= Some(4.5), "{scheme}: {worst}");
            screenshot(&mut browser, &host, &format!("{width}-{scheme}.png"));
        }
    }

    // Everything that does something has a name and is reached by Tab, in reading order.
    let mut reached = Vec::new();
    for _ in 0..5 {
        browser.press("Tab");
        let name = "(({id, className, labels}) => id || className)(document.activeElement)";
        let name = browser.evaluate(name);
        reached.push(name.as_str().unwrap_or_default().to_owned());
    }
    assert_eq!(reached[..4], ["skip", "pause", "filter", "sort"]);
    browser.call("Accessibility.enable", serde_json::json!({}));
    let tree = browser.call("Accessibility.getFullAXTree", serde_json::json!({}));
    let named = |role: &str| {
        let nodes = tree["nodes"].as_array().into_iter().flatten();
        let of_role = nodes.filter(|node| node["role"]["value"] == role);
        let name = |node: &Value| {
            // Browsers differ in whether a label's last space is part of the name.
            let name = node["name"]["value"].as_str().unwrap_or_default();
            name.trim().to_owned()
        };
        of_role.map(name).collect::<Vec<_>>()
    };
    assert_eq!(named("button"), ["Pause"]);
    assert_eq!(named("searchbox"), ["Service"]);
    assert_eq!(named("combobox"), ["Sort by"]);
    let tables = named("table");
    assert!(
        tables.len() == 2 && !tables.contains(&String::new()),
        "{tables:?}"
    );
    assert!(
        named("row").len() > 2,
        "a phone's layout leaves tables tables"
    );

    browser.evaluate("document.getElementById('pause').focus()");
    browser.press("Enter");
    browser.wait_for("document.getElementById('pause').getAttribute('aria-pressed') === 'true'");
    browser.evaluate("document.getElementById('filter').focus()");
    browser.write("telemetry");
    browser.wait_for("document.getElementById('more').innerText.includes('no service')");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn who_asks_by_another_name_or_from_outside_learns_nothing() {
    let net = Net::new();
    let mut host = Host::new(&net.server);
    let open = |host: &Host, page: &str| {
        let settings = format!("metrics_listen = \"0.0.0.0:9477\"\n{page}");
        let config = host
            .config(POLICY)
            .replace(&format!("metrics_listen = \"{METRICS}\""), &settings);
        host.write("config.toml", &config);
    };
    let outside = format!("{}:9477", WIRE.server(false));
    let get = |address: &str, path: &str, name: &str| host_get(&net, address, path, name);

    open(&host, "");
    host.start();
    for path in ["/", "/status.json"] {
        assert!(get(METRICS, path, METRICS).starts_with("HTTP/1.1 200"));
        assert!(get(METRICS, path, "localhost:9477").starts_with("HTTP/1.1 200"));
        for (address, name) in [
            (METRICS, "evil.example:9477"),
            (outside.as_str(), outside.as_str()),
        ] {
            let answer = get(address, path, name);
            assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
            assert!(!answer.contains("generation"), "{answer}");
        }
    }
    let page = get(METRICS, "/", METRICS);
    for header in [
        "content-security-policy: default-src 'none';",
        "x-content-type-options: nosniff",
        "cache-control: no-store",
        "cross-origin-resource-policy: same-origin",
    ] {
        assert!(page.contains(header), "{header}:\n{page}");
    }
    assert!(get(&outside, "/metrics", &outside).starts_with("HTTP/1.1 200"));

    open(
        &host,
        "status_page = \"everywhere\"\nstatus_page_hosts = [\"edge1.example\"]",
    );
    host.start();
    assert!(get(&outside, "/status.json", "edge1.example:9477").starts_with("HTTP/1.1 200"));
    assert!(get(&outside, "/status.json", "edge2.example").starts_with("HTTP/1.1 403"));

    open(&host, "status_page = \"off\"");
    host.start();
    for path in ["/", "/status.json"] {
        assert!(get(METRICS, path, METRICS).starts_with("HTTP/1.1 404"));
    }
}

fn host_get(net: &Net, address: &str, path: &str, name: &str) -> String {
    let namespace = if address == METRICS {
        &net.server
    } else {
        &net.client
    };
    namespace.run(|| edge_filter_tests::daemon::get(address, path, name))
}
