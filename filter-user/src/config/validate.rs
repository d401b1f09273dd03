//! What is typed becomes a policy, or findings that say why not. The policy is only to be used
//! if there was no error.

use super::capacity;
use super::claims;
use super::diagnostic::{Finding, Findings};
use super::file::{self, Config, Text, Texts};
use super::names::{complaint_about_interface, quoted};
use super::policy::{
    AttachMode, Daemon, Interface, LogFormat, Management, Mode, Policy, Ports, PrefixList,
    StatusPage, Transport, Unlisted,
};
use super::ports::parse_ports;
use super::protocols::parse_protocol;
use super::services;
use super::sources::{Names, Source};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

const MAX_INTERFACES: usize = 16;
const MAX_SERVICES: usize = 64;
/// `sockaddr_un` of Linux, less the terminating zero.
const MAX_SOCKET_PATH: usize = 107;

/// The policy that `config` means.
pub(super) fn policy(config: &Config, lists: Vec<PrefixList>, findings: &Findings) -> Policy {
    let interfaces = interfaces(&config.interfaces, findings);
    let interface_names: Vec<String> = interfaces.iter().map(|i| i.name.clone()).collect();
    let names = Names {
        lists: &lists,
        interfaces: &interface_names,
        findings,
    };
    let management = management(&config.policy, names);
    let services = services::read(&config.services, names);
    claims::check(&services, findings);
    let policy = Policy {
        daemon: daemon(&config.daemon, findings),
        interfaces,
        mode: given(&config.policy.mode, Mode::Enforce),
        unlisted_ports: given(&config.policy.unlisted_ports, Unlisted::Pass),
        protocols: protocols(config.policy.protocols.as_ref(), findings),
        reply_ports: host_ports("reply_ports", config.policy.reply_ports.as_ref(), findings),
        management,
        services: services.into_iter().map(|s| s.service).collect(),
        lists,
    };
    if let Some(service) = config.services.get(MAX_SERVICES) {
        let message = format!("more than {MAX_SERVICES} services");
        findings.push(Finding::error(service.span.clone(), message));
    }
    capacity::check(config, &policy, findings);
    policy
}

/// The value as typed, or the default.
pub(super) fn given<T: Copy>(value: &Option<serde_spanned::Spanned<T>>, default: T) -> T {
    value.as_ref().map_or(default, |value| *value.get_ref())
}

/// Refuses an array without an entry.
pub(super) fn refuse_empty(key: &str, texts: Option<&Texts>, help: &str, findings: &Findings) {
    if let Some(texts) = texts.filter(|texts| texts.get_ref().is_empty()) {
        let finding = Finding::error(texts.span(), format!("`{key}` is empty"));
        findings.push(finding.help(help.to_owned()));
    }
}

/// Ports with their places; wrong ones have been reported and are left out.
pub(super) fn ports<'a>(texts: Option<&'a Texts>, findings: &Findings) -> Vec<(&'a Text, Ports)> {
    let mut found = Vec::new();
    for text in texts.into_iter().flat_map(|texts| texts.get_ref()) {
        match parse_ports(text.get_ref()) {
            Ok(ports) => found.push((text, ports)),
            Err(error) => {
                findings.push(Finding::error(text.span(), error.to_string()).help(error.help()));
            }
        }
    }
    found
}

fn daemon(typed: &file::Daemon, findings: &Findings) -> Daemon {
    let listen = typed.metrics_listen.as_ref();
    let metrics_listen = listen.and_then(|text| {
        let address: Option<SocketAddr> = text.get_ref().parse().ok();
        if address.is_none() {
            let message = format!("{} is not an address with a port", quoted(text.get_ref()));
            let help = "for example \"127.0.0.1:9477\" or \"[::1]:9477\"";
            findings.push(Finding::error(text.span(), message).help(help.to_owned()));
        }
        address
    });
    let path = |key: &str, text: &Option<Text>, default: &str| {
        let Some(text) = text else {
            return PathBuf::from(default);
        };
        let path = PathBuf::from(text.get_ref());
        if !path.is_absolute() || text.get_ref().contains('\0') {
            let message = format!("`{key}` is not an absolute path");
            let finding = Finding::error(text.span(), message);
            findings.push(finding.help(format!("for example \"{default}\"")));
        }
        path
    };
    let control_socket = path(
        "control_socket",
        &typed.control_socket,
        "/run/edge-filter/control.sock",
    );
    if let Some(text) = &typed.control_socket
        && text.get_ref().len() > MAX_SOCKET_PATH
    {
        let message = format!("a socket's path has at most {MAX_SOCKET_PATH} bytes");
        findings.push(Finding::error(text.span(), message));
    }
    Daemon {
        metrics_listen: metrics_listen.unwrap_or((Ipv4Addr::LOCALHOST, 9477).into()),
        status_page: given(&typed.status_page, StatusPage::Loopback),
        status_page_hosts: page_hosts(typed.status_page_hosts.as_ref(), findings),
        pin_path: path("pin_path", &typed.pin_path, "/sys/fs/bpf/edge-filter"),
        state_directory: path(
            "state_directory",
            &typed.state_directory,
            "/var/lib/edge-filter",
        ),
        control_socket,
        log_format: given(&typed.log_format, LogFormat::Text),
        tracked_sources: given(&typed.tracked_sources, 1_000_000),
        events_per_second: given(&typed.events_per_second, 100),
    }
}

/// Host names as a browser sends them: in lower case, without a port.
fn page_hosts(texts: Option<&Texts>, findings: &Findings) -> Vec<String> {
    let mut hosts = Vec::new();
    for text in texts.into_iter().flat_map(|texts| texts.get_ref()) {
        let host = text.get_ref().to_ascii_lowercase();
        let labels = host.split('.').map(str::as_bytes);
        let is_label = |label: &[u8]| {
            let has_ends = !label.starts_with(b"-") && !label.ends_with(b"-");
            let is_known = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
            has_ends && matches!(label.len(), 1..=63) && label.iter().all(is_known)
        };
        if host.parse::<IpAddr>().is_ok() {
            let message = format!("{} is an address, not a name", quoted(text.get_ref()));
            let help = "leave it out: addresses are accepted anyway";
            findings.push(Finding::error(text.span(), message).help(help.to_owned()));
        } else if host.len() > 253 || !labels.into_iter().all(is_label) {
            let message = format!("{} is not a host name", quoted(text.get_ref()));
            let help = "as in the browser's address bar, without http:// and port, for example \
                        \"edge1.example.com\"";
            findings.push(Finding::error(text.span(), message).help(help.to_owned()));
        }
        hosts.push(host);
    }
    hosts
}

fn interfaces(typed: &[file::Interface], findings: &Findings) -> Vec<Interface> {
    let mut interfaces: Vec<Interface> = Vec::new();
    for (index, interface) in typed.iter().enumerate() {
        if index == MAX_INTERFACES {
            let message = format!("more than {MAX_INTERFACES} interfaces");
            findings.push(Finding::error(interface.span.clone(), message));
        }
        let name = interface.name.as_ref();
        if let Some(text) = name {
            let shown = quoted(text.get_ref());
            let first = interfaces.iter().position(|i| i.name == *text.get_ref());
            if let Some(complaint) = complaint_about_interface(text.get_ref()) {
                let message = format!("an interface cannot be named {shown}");
                findings.push(Finding::error(text.span(), message).help(complaint.to_owned()));
            } else if let Some(first) = first.and_then(|first| typed.get(first)?.name.as_ref()) {
                let finding = Finding::error(text.span(), format!("two interfaces named {shown}"));
                findings.push(finding.also(first.span(), "the first"));
            }
        }
        interfaces.push(Interface {
            name: name.map_or_else(String::new, |name| name.get_ref().clone()),
            attach_mode: given(&interface.attach_mode, AttachMode::Auto),
        });
    }
    interfaces
}

fn protocols(texts: Option<&Texts>, findings: &Findings) -> Vec<u8> {
    let mut protocols = Vec::new();
    for text in texts.into_iter().flat_map(|texts| texts.get_ref()) {
        match parse_protocol(text.get_ref()) {
            Ok(number) if protocols.contains(&number) => {}
            Ok(number) => protocols.push(number),
            Err(error) => {
                findings.push(Finding::error(text.span(), error.to_string()).help(error.help()));
            }
        }
    }
    protocols
}

/// Ports of the host itself, where QUIC makes no difference.
fn host_ports(key: &str, texts: Option<&Texts>, findings: &Findings) -> Vec<Ports> {
    let ports = ports(texts, findings);
    for (text, _) in ports
        .iter()
        .filter(|(_, ports)| ports.transport == Transport::Quic)
    {
        let message = format!("`{key}` takes tcp and udp, not quic");
        let help = format!("write \"{}\"", text.get_ref().replace("quic", "udp"));
        findings.push(Finding::error(text.span(), message).help(help));
    }
    ports.into_iter().map(|(_, ports)| ports).collect()
}

fn management(typed: &file::Policy, names: Names<'_>) -> Option<Management> {
    match &typed.management {
        Some(file::Management::Some { ports, from }) => {
            let example = "for example ports = [\"22/tcp\"]";
            refuse_empty("ports", ports.as_ref(), example, names.findings);
            let example = "to decline it, write management = \"none\" under [policy]";
            refuse_empty("from", from.as_ref(), example, names.findings);
            if given(&typed.unlisted_ports, Unlisted::Pass) == Unlisted::Drop {
                refuse_nobody(from.as_ref(), example, names);
            }
            Some(Management {
                ports: host_ports("ports", ports.as_ref(), names.findings),
                from: names.sources(from.as_ref()),
            })
        }
        Some(file::Management::None) => None,
        None => {
            if let Some(unlisted) = &typed.unlisted_ports
                && *unlisted.get_ref() == Unlisted::Drop
            {
                let message = "unlisted_ports = \"drop\" without [policy.management]";
                let help = "name what must stay reachable:\n[policy.management]\n\
                            ports = [\"22/tcp\"]\nfrom = [\"203.0.113.0/24\"]\n\
                            or decline it under [policy]: management = \"none\"";
                let finding = Finding::error(unlisted.span(), message);
                names
                    .findings
                    .push(finding.label("would drop SSH too").help(help.to_owned()));
            }
            None
        }
    }
}

/// Refuses sources that are nothing but empty lists. With a mistake among them, it is unknown what
/// they are.
fn refuse_nobody(from: Option<&Texts>, help: &str, names: Names<'_>) {
    let quiet = Findings::default();
    let silent = Names {
        findings: &quiet,
        ..names
    };
    let is_empty_list = |text: &Text| match silent.source(text) {
        Some(Source::List(index)) => {
            let list = names.lists.get(index);
            list.is_some_and(|list| list.v4.is_empty() && list.v6.is_empty())
        }
        Some(Source::Any | Source::Prefix(_)) | None => false,
    };
    let given = from.filter(|texts| !texts.get_ref().is_empty());
    if let Some(texts) = given.filter(|texts| texts.get_ref().iter().all(is_empty_list)) {
        let message = "`from` has no prefix: every list in it is empty";
        let finding = Finding::error(texts.span(), message);
        let finding = finding.label("unlisted_ports = \"drop\" would drop SSH too");
        names.findings.push(finding.help(help.to_owned()));
    }
}
