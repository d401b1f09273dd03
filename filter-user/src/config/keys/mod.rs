//! Every key of the configuration, once: the reader knows no other, and the reference is made
//! from it.

mod service;

pub(super) use service::{OVERRIDE, RATE_LIMIT, SERVICE};

use Preset::{Required, Unset, Value};

/// A table of the configuration.
#[derive(Debug)]
pub(super) struct Section {
    /// As one writes it, `[policy]`; the root has none.
    pub header: &'static str,
    pub meaning: &'static str,
    pub keys: &'static [Key],
}

/// A key of a table.
#[derive(Debug)]
pub(super) struct Key {
    pub name: &'static str,
    /// What may stand there, in words that complete "expected …".
    pub kind: &'static str,
    pub preset: Preset,
    pub meaning: &'static str,
}

/// What holds where the key is not given.
#[derive(Debug)]
pub(super) enum Preset {
    /// An error, with what to do.
    Required(&'static str),
    /// This TOML value.
    Value(&'static str),
    /// What these words say.
    Unset(&'static str),
}

const fn key(name: &'static str, kind: &'static str, preset: Preset, meaning: &'static str) -> Key {
    Key {
        name,
        kind,
        preset,
        meaning,
    }
}

/// In the order of the reference.
pub(super) const SECTIONS: &[&Section] = &[
    &ROOT,
    &DAEMON,
    &INTERFACE,
    &POLICY,
    &MANAGEMENT,
    &PREFIX_LIST,
    &SERVICE,
    &RATE_LIMIT,
    &OVERRIDE,
];

const MODES: &str = r#""enforce" or "monitor""#;
const PORTS: &str = r#"an array of ports such as "443/tcp" or "8000-8099/udp""#;
const SOURCES: &str = r#"an array of list names, prefixes, addresses or "any""#;

pub(super) const ROOT: Section = Section {
    header: "",
    meaning: "The tables of the file.",
    keys: &[
        key(
            "daemon",
            "a table",
            Unset("its defaults"),
            "Settings of the daemon.",
        ),
        key(
            "interface",
            "an array of tables, each written [[interface]]",
            Required("name where packets arrive:\n[[interface]]\nname = \"eth0\""),
            "Where packets are judged; at most 16.",
        ),
        key(
            "policy",
            "a table",
            Unset("its defaults"),
            "What holds for all services.",
        ),
        key(
            "prefix_list",
            "tables, each written [prefix_list.NAME]",
            Unset("no lists"),
            "Named sets of sources; at most 64.",
        ),
        key(
            "service",
            "an array of tables, each written [[service]]",
            Unset("no services"),
            "Ports and who may reach them; at most 64.",
        ),
    ],
};

pub(super) const DAEMON: Section = Section {
    header: "[daemon]",
    meaning: "Changing one of these asks for a restart of the daemon.",
    keys: &[
        key(
            "metrics_listen",
            "an address and port such as \"127.0.0.1:9477\"",
            Value(r#""127.0.0.1:9477""#),
            "Where `/metrics` and the status page are served.",
        ),
        key(
            "status_page",
            r#""loopback", "everywhere" or "off""#,
            Value(r#""loopback""#),
            "Who gets the status page at `/`, which names sources: `loopback` is connections over \
             the loopback interface, `everywhere` is who reaches `metrics_listen`.",
        ),
        key(
            "status_page_hosts",
            "an array of host names",
            Value("[]"),
            "Names by which browsers may ask for the status page, beside addresses and \
             `localhost`; others are refused, lest a web site rebinds its name to this host.",
        ),
        key(
            "pin_path",
            "an absolute path",
            Value(r#""/sys/fs/bpf/edge-filter""#),
            "Folder in a bpffs for pinned maps, programs and links.",
        ),
        key(
            "state_directory",
            "an absolute path",
            Value(r#""/var/lib/edge-filter""#),
            "Folder for the last good policy with its lists, service numbers and bans.",
        ),
        key(
            "control_socket",
            "an absolute path",
            Value(r#""/run/edge-filter/control.sock""#),
            "Socket on which the daemon takes orders from root; at most 107 bytes.",
        ),
        key(
            "log_format",
            r#""text" or "json""#,
            Value(r#""text""#),
            "How the daemon writes its log.",
        ),
        key(
            "tracked_sources",
            "an integer",
            Value("1000000"),
            "Sources of which a rate is remembered, 16384 to 16777216.",
        ),
        key(
            "events_per_second",
            "an integer",
            Value("100"),
            "Sampled events a second and CPU, 0 (none) to 1000000; at least one of each reason.",
        ),
    ],
};

pub(super) const INTERFACE: Section = Section {
    header: "[[interface]]",
    meaning: "An interface on which packets are judged. A bridge or bond excludes its members.",
    keys: &[
        key(
            "name",
            "a string",
            Required("as `ip link` shows it, for example name = \"eth0\""),
            "As the kernel names it; at most 15 bytes.",
        ),
        key(
            "attach_mode",
            r#""auto", "native" or "generic""#,
            Value(r#""auto""#),
            "`native` runs in the driver, `generic` after the kernel has allocated for the \
             packet, `auto` is native where the driver can, else generic, loudly.",
        ),
    ],
};

pub(super) const POLICY: Section = Section {
    header: "[policy]",
    meaning: "What holds for all services.",
    keys: &[
        key(
            "mode",
            MODES,
            Value(r#""enforce""#),
            "`monitor` drops nothing, whatever stands below, and counts what would be dropped.",
        ),
        key(
            "unlisted_ports",
            r#""pass", "monitor" or "drop""#,
            Value(r#""pass""#),
            "What happens to what no service lists. Under `drop` what answers the host itself \
             passes; a host that forwards needs `pass`.",
        ),
        key(
            "protocols",
            "an array of IP protocol names or numbers",
            Value("[]"),
            "With `drop` or `monitor`: IP protocols other than TCP, UDP and ICMP that pass.",
        ),
        key(
            "reply_ports",
            PORTS,
            Value("[]"),
            "With `drop` or `monitor`: host ports answered to without a connected socket.",
        ),
        key(
            "management",
            r#"a table, or "none""#,
            Unset("none; required with `unlisted_ports = \"drop\"`"),
            "Ports that stay reachable. `\"none\"` declines it in so many words.",
        ),
    ],
};

pub(super) const MANAGEMENT: Section = Section {
    header: "[policy.management]",
    meaning: "Passed before anything else is asked.",
    keys: &[
        key(
            "ports",
            PORTS,
            Required("for example ports = [\"22/tcp\"]"),
            "TCP or UDP ports, not `quic`.",
        ),
        key(
            "from",
            SOURCES,
            Required("for example from = [\"office\"]"),
            "The sources that may.",
        ),
    ],
};

pub(super) const PREFIX_LIST: Section = Section {
    header: "[prefix_list.NAME]",
    meaning: "A named set of sources. It needs `prefixes`, `file` or both. All lists and \
              services together hold at most 1,000,000 IPv4 and 1,000,000 IPv6 prefixes.",
    keys: &[
        key(
            "prefixes",
            "an array of prefixes and addresses",
            Unset("none"),
            "Prefixes and addresses.",
        ),
        key(
            "file",
            "a path",
            Unset("none"),
            "A file with one prefix or address a line, `#` comments; relative to the \
             configuration.",
        ),
        key(
            "allow_empty",
            "true or false",
            Value("false"),
            "Whether the list may hold nothing.",
        ),
        key(
            "max_shrink_percent",
            "an integer",
            Value("50"),
            "An automatic reload that loses more of the list is refused, 0 to 100.",
        ),
    ],
};
