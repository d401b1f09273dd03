//! What the demo shows, in order. Each result is compared with what the configuration promises.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::demo::client::{self, Outcome};
use crate::demo::daemon::Daemon;
use crate::demo::interrupt::Interrupt;
use crate::demo::network::{DEVICE, Namespace};
use crate::demo::server::BODY;

/// Where the HTTP server listens.
pub const PORT: u16 = 8080;
/// Addresses of the server, with their prefix lengths. All of these are for documentation
/// (RFC 5737, RFC 3849).
pub const SERVER: [&str; 2] = ["192.0.2.1/24", "2001:db8::1/64"];
const LISTED: [&str; 2] = ["192.0.2.10", "2001:db8::10"];
const UNLISTED: [&str; 2] = ["192.0.2.66", "2001:db8::66"];
const FLOODER: &str = "192.0.2.20";
const METRICS: &str = "127.0.0.1:9477";

const CONNECTIONS_PER_SECOND: u32 = 5;
const BURST: u32 = 10;
/// Fifty a second for three seconds: ten times the rate, well past the burst.
const FLOOD_ATTEMPTS: usize = 150;
const FLOOD_INTERVAL: Duration = Duration::from_millis(20);
/// Connections: the clock's tick, and the edges of the measured interval.
const FLOOD_TOLERANCE: f64 = 2.0;
const METRICS_SHOWN: usize = 12;

/// The client's addresses, with prefix lengths.
pub fn client_addresses() -> Vec<String> {
    [LISTED, UNLISTED]
        .concat()
        .into_iter()
        .chain([FLOODER])
        .map(|address| format!("{address}/{}", if address.contains(':') { 64 } else { 24 }))
        .collect()
}

/// The configuration: everything that would be in system folders is in `folder`.
pub fn configuration(folder: &Path, admits_unlisted: bool) -> String {
    let mut customers = vec![LISTED[0], LISTED[1], FLOODER];
    if admits_unlisted {
        customers.push(UNLISTED[0]);
    }
    let folder = folder.display();
    format!(
        r#"[daemon]
pin_path = "{folder}/bpf/edge-filter"
state_directory = "{folder}/state"
control_socket = "{folder}/control.sock"
metrics_listen = "{METRICS}"

[[interface]]
name = "{DEVICE}"

[prefix_list.customers]
prefixes = {customers:?}

[[service]]
name = "web"
ports = ["{PORT}/tcp"]
allow = ["customers"]

[service.rate_limit]
connections_per_second = {CONNECTIONS_PER_SECOND}
burst = {BURST}
"#
    )
}

/// The parts of a running demo.
pub struct Stage<'a> {
    /// Where the requests come from.
    pub client: &'a Namespace,
    /// Where the HTTP server and the daemon live.
    pub server: &'a Namespace,
    /// The filter.
    pub daemon: &'a Daemon<'a>,
    /// Its configuration file's path.
    pub config: &'a Path,
    /// The demo's folder.
    pub folder: &'a Path,
    /// Ctrl-C.
    pub interrupt: &'a Interrupt,
}

impl Stage<'_> {
    /// Shows everything; an error at the first result that is not as promised.
    pub fn play(&self) -> Result<()> {
        heading("The configuration");
        print!("{}", fs::read_to_string(self.config)?);

        heading("A listed client is served, an unlisted one is not");
        self.expect_served(LISTED[0])?;
        self.expect_refused(UNLISTED[0])?;

        heading("The same over IPv6");
        self.expect_served(LISTED[1])?;
        self.expect_refused(UNLISTED[1])?;

        heading("A listed client that floods is held to its rate");
        self.expect_rate_held()?;
        self.expect_served(LISTED[0])?;

        heading("A reload changes the answer");
        self.reload_admitting_unlisted()?;
        self.expect_served(UNLISTED[0])?;
        self.expect_refused(UNLISTED[1])?;

        heading("edge-filter counters");
        print!("{}", self.daemon.ask(&["counters"])?);

        heading(&format!("http://{METRICS}/metrics, its first lines"));
        self.show_metrics()
    }

    fn expect_served(&self, source: &str) -> Result<()> {
        match self.request(source)? {
            Outcome::Served(response) if response.ends_with(BODY) => {
                let status = response.lines().next().unwrap_or_default();
                println!("  {source:<13} served: {status}, {:?}", BODY.trim_end());
                Ok(())
            }
            Outcome::Served(response) => bail!("{source} was answered with {response:?}"),
            Outcome::Refused => bail!("{source} should have been served, but was refused"),
        }
    }

    fn expect_refused(&self, source: &str) -> Result<()> {
        match self.request(source)? {
            Outcome::Refused => {
                println!("  {source:<13} refused: no answer to its SYN");
                Ok(())
            }
            Outcome::Served(_) => bail!("{source} should have been refused, but was served"),
        }
    }

    fn request(&self, source: &str) -> Result<Outcome> {
        self.interrupt.check()?;
        let source: IpAddr = source.parse()?;
        let server = server_address(source)?;
        self.client.inside(|| client::get(source, server, "/"))
    }

    fn expect_rate_held(&self) -> Result<()> {
        let source: IpAddr = FLOODER.parse()?;
        let server = server_address(source)?;
        let flood = self.client.inside(|| {
            client::flood(
                self.interrupt,
                source,
                server,
                FLOOD_ATTEMPTS,
                FLOOD_INTERVAL,
            )
        })?;
        let seconds = flood.duration.as_secs_f64();
        let promised = f64::from(BURST) + f64::from(CONNECTIONS_PER_SECOND) * seconds;
        println!(
            "  {source:<13} tried {} connections in {seconds:.2} s: {} came about; burst + rate x \
             time = {BURST} + {CONNECTIONS_PER_SECOND} x {seconds:.2} = {promised:.1}",
            flood.attempts, flood.established,
        );
        let established = u32::try_from(flood.established).map_or(f64::INFINITY, f64::from);
        if (established - promised).abs() > FLOOD_TOLERANCE {
            bail!("the rate was not held to within {FLOOD_TOLERANCE} connections");
        }
        Ok(())
    }

    fn reload_admitting_unlisted(&self) -> Result<()> {
        // As editors do: the new file takes the old one's place in one step.
        let new = self.folder.join("config.toml.new");
        fs::write(&new, configuration(self.folder, true))
            .and_then(|()| fs::rename(&new, self.config))
            .with_context(|| format!("cannot write {}", self.config.display()))?;
        println!("  {} added to the list; edge-filter reload:", UNLISTED[0]);
        for line in self.daemon.ask(&["reload"])?.lines() {
            println!("  {line}");
        }
        Ok(())
    }

    fn show_metrics(&self) -> Result<()> {
        let address: SocketAddr = METRICS.parse()?;
        let outcome = self
            .server
            .inside(|| client::get(address.ip(), address, "/metrics"))?;
        let Outcome::Served(text) = outcome else {
            bail!("nothing answers on {METRICS}");
        };
        let own: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("edge_filter_"))
            .collect();
        for line in own.iter().take(METRICS_SHOWN) {
            println!("  {line}");
        }
        println!("  … {} lines in all", own.len());
        for (reason, action) in [
            ("allowed", "pass"),
            ("not_allowed", "drop"),
            ("connection_rate", "drop"),
        ] {
            let is_counted = own.iter().any(|line| {
                line.starts_with("edge_filter_packets_total{")
                    && line.contains(&format!("reason=\"{reason}\""))
                    && line.contains(&format!("action=\"{action}\""))
                    && line.contains("service=\"web\"")
                    && !line.ends_with(" 0")
            });
            if !is_counted {
                bail!("no packets of the service counted as {action}, {reason}");
            }
        }
        Ok(())
    }
}

fn server_address(source: IpAddr) -> Result<SocketAddr> {
    let address = SERVER[usize::from(source.is_ipv6())];
    let (ip, _) = address.split_once('/').context("an address has a length")?;
    Ok(SocketAddr::new(ip.parse()?, PORT))
}

fn heading(text: &str) {
    println!("\n== {text}");
}
