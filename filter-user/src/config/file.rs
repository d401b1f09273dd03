//! The configuration as typed: every value with its place, nothing judged but its type. What is
//! missing or of a wrong type has been reported and is `None`.

use super::diagnostic::{Finding, Findings, line_of};
use super::keys;
use super::names::quoted;
use super::policy::{AttachMode, LogFormat, Mode, StatusPage, Unlisted};
use super::reader::Table;
use serde_spanned::Spanned;
use std::ops::Range;
use toml::de::{DeTable, DeValue};

pub(super) type Text = Spanned<String>;
pub(super) type Texts = Spanned<Vec<Text>>;

#[derive(Debug, Default)]
pub(super) struct Config {
    pub daemon: Daemon,
    pub interfaces: Vec<Interface>,
    pub policy: Policy,
    pub lists: Vec<List>,
    pub services: Vec<Service>,
}

#[derive(Debug, Default)]
pub(super) struct Daemon {
    pub metrics_listen: Option<Text>,
    pub status_page: Option<Spanned<StatusPage>>,
    pub status_page_hosts: Option<Texts>,
    pub pin_path: Option<Text>,
    pub state_directory: Option<Text>,
    pub control_socket: Option<Text>,
    pub log_format: Option<Spanned<LogFormat>>,
    pub tracked_sources: Option<Spanned<u32>>,
    pub events_per_second: Option<Spanned<u32>>,
}

#[derive(Debug)]
pub(super) struct Interface {
    pub span: Range<usize>,
    pub name: Option<Text>,
    pub attach_mode: Option<Spanned<AttachMode>>,
}

#[derive(Debug, Default)]
pub(super) struct Policy {
    pub mode: Option<Spanned<Mode>>,
    pub unlisted_ports: Option<Spanned<Unlisted>>,
    pub protocols: Option<Texts>,
    pub reply_ports: Option<Texts>,
    pub management: Option<Management>,
}

#[derive(Debug)]
pub(super) enum Management {
    /// Declined in so many words, or not readable.
    None,
    Some {
        ports: Option<Texts>,
        from: Option<Texts>,
    },
}

#[derive(Debug)]
pub(super) struct List {
    pub name: Text,
    pub line: u32,
    pub prefixes: Option<Texts>,
    pub file: Option<Text>,
    pub allow_empty: Option<Spanned<bool>>,
    pub max_shrink_percent: Option<Spanned<u32>>,
}

#[derive(Debug)]
pub(super) struct Service {
    pub span: Range<usize>,
    pub line: u32,
    pub name: Option<Text>,
    pub ports: Option<Texts>,
    pub interfaces: Option<Texts>,
    pub addresses: Option<Texts>,
    pub mode: Option<Spanned<Mode>>,
    pub allow: Option<Texts>,
    pub deny: Option<Texts>,
    pub exempt: Option<Texts>,
    pub log_connections: Option<Spanned<bool>>,
    pub rate_limit: Option<RateLimit>,
}

#[derive(Debug)]
pub(super) struct RateLimit {
    pub span: Range<usize>,
    pub rates: Rates,
    pub source_prefix_ipv4: Option<Spanned<u32>>,
    pub source_prefix_ipv6: Option<Spanned<u32>>,
    pub overrides: Vec<Override>,
}

#[derive(Debug)]
pub(super) struct Override {
    pub span: Range<usize>,
    pub sources: Option<Texts>,
    pub rates: Rates,
}

/// The keys that a rate limit and an override share.
#[derive(Debug)]
pub(super) struct Rates {
    pub connections_per_second: Option<Spanned<f64>>,
    pub burst: Option<Spanned<f64>>,
    pub packets_per_second: Option<Spanned<f64>>,
    pub packet_burst: Option<Spanned<f64>>,
}

/// `None` where the text is no TOML.
pub(super) fn parse(text: &str, findings: &Findings) -> Option<Config> {
    let (document, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        syntax_errors(text, &errors, findings);
        return None;
    }
    // What is missing at the top is missed at the end of the file.
    let end = text.trim_end().len();
    let root = Table::open(&keys::ROOT, document.get_ref(), end..end, findings);
    let daemon = root.table("daemon", &keys::DAEMON);
    let policy = root.table("policy", &keys::POLICY);
    let interfaces = root.tables("interface", &keys::INTERFACE);
    let lists = root.named_tables("prefix_list", &keys::PREFIX_LIST);
    let services = root.tables("service", &keys::SERVICE);
    Some(Config {
        daemon: daemon.as_ref().map(read_daemon).unwrap_or_default(),
        policy: policy.as_ref().map(read_policy).unwrap_or_default(),
        interfaces: interfaces.iter().map(read_interface).collect(),
        lists: lists
            .into_iter()
            .map(|(name, table)| read_list(text, name, &table))
            .collect(),
        services: services
            .iter()
            .map(|table| read_service(text, table))
            .collect(),
    })
}

/// The first; what follows it is mostly its echo. Duplicate keys do not confuse the parser.
fn syntax_errors(text: &str, errors: &[toml::de::Error], findings: &Findings) {
    let mut errors: Vec<_> = errors
        .iter()
        .map(|error| (error.span().unwrap_or_default(), error.message()))
        .collect();
    errors.sort_by_key(|(span, _)| span.start);
    let duplicate = |message: &str| message == "duplicate key";
    for (span, message) in errors {
        if duplicate(message) {
            let key = text.get(span.clone()).unwrap_or_default();
            let message = format!("{} is there already", quoted(key.trim_matches('"')));
            findings.push(Finding::error(span, message));
        } else {
            findings.push(Finding::error(span, format!("not TOML: {message}")));
            break;
        }
    }
}

const MODES: [(&str, Mode); 2] = [("enforce", Mode::Enforce), ("monitor", Mode::Monitor)];

fn read_daemon(table: &Table<'_>) -> Daemon {
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    let pages = [
        ("loopback", StatusPage::Loopback),
        ("everywhere", StatusPage::Everywhere),
        ("off", StatusPage::Off),
    ];
    Daemon {
        metrics_listen: table.string("metrics_listen"),
        status_page: table.keyword("status_page", &pages),
        status_page_hosts: table.strings("status_page_hosts"),
        pin_path: table.string("pin_path"),
        state_directory: table.string("state_directory"),
        control_socket: table.string("control_socket"),
        log_format: table.keyword("log_format", &formats),
        tracked_sources: table.integer("tracked_sources", 16_384..=16_777_216),
        events_per_second: table.integer("events_per_second", 0..=1_000_000),
    }
}

fn read_interface(table: &Table<'_>) -> Interface {
    let modes = [
        ("auto", AttachMode::Auto),
        ("native", AttachMode::Native),
        ("generic", AttachMode::Generic),
    ];
    Interface {
        span: table.span(),
        name: table.string("name"),
        attach_mode: table.keyword("attach_mode", &modes),
    }
}

fn read_policy(table: &Table<'_>) -> Policy {
    let unlisted = [
        ("pass", Unlisted::Pass),
        ("monitor", Unlisted::Monitor),
        ("drop", Unlisted::Drop),
    ];
    Policy {
        mode: table.keyword("mode", &MODES),
        unlisted_ports: table.keyword("unlisted_ports", &unlisted),
        protocols: table.strings_or_integers("protocols"),
        reply_ports: table.strings("reply_ports"),
        management: read_management(table),
    }
}

fn read_management(policy: &Table<'_>) -> Option<Management> {
    if let DeValue::String(_) = policy.get("management")?.get_ref() {
        policy.keyword("management", &[("none", ())]);
        return Some(Management::None);
    }
    Some(match policy.table("management", &keys::MANAGEMENT) {
        Some(table) => Management::Some {
            ports: table.strings("ports"),
            from: table.strings("from"),
        },
        None => Management::None,
    })
}

fn read_list(text: &str, name: Text, table: &Table<'_>) -> List {
    List {
        line: line_of(text, name.span().start),
        name,
        prefixes: table.strings("prefixes"),
        file: table.string("file"),
        allow_empty: table.boolean("allow_empty"),
        max_shrink_percent: table.integer("max_shrink_percent", 0..=100),
    }
}

fn read_service(text: &str, table: &Table<'_>) -> Service {
    Service {
        line: line_of(text, table.span().start),
        span: table.span(),
        name: table.string("name"),
        ports: table.strings("ports"),
        interfaces: table.strings("interfaces"),
        addresses: table.strings("addresses"),
        mode: table.keyword("mode", &MODES),
        allow: table.strings("allow"),
        deny: table.strings("deny"),
        exempt: table.strings("exempt"),
        log_connections: table.boolean("log_connections"),
        rate_limit: table
            .table("rate_limit", &keys::RATE_LIMIT)
            .as_ref()
            .map(read_rate_limit),
    }
}

fn read_rate_limit(table: &Table<'_>) -> RateLimit {
    let overrides = table.tables("override", &keys::OVERRIDE);
    RateLimit {
        span: table.span(),
        rates: read_rates(table),
        source_prefix_ipv4: table.integer("source_prefix_ipv4", 1..=32),
        source_prefix_ipv6: table.integer("source_prefix_ipv6", 1..=128),
        overrides: overrides
            .iter()
            .map(|table| Override {
                span: table.span(),
                sources: table.strings("sources"),
                rates: read_rates(table),
            })
            .collect(),
    }
}

fn read_rates(table: &Table<'_>) -> Rates {
    Rates {
        connections_per_second: table.number("connections_per_second"),
        burst: table.number("burst"),
        packets_per_second: table.number("packets_per_second"),
        packet_burst: table.number("packet_burst"),
    }
}
