//! Kernel, privileges, boot.

use super::{UNIT, found, one};
use crate::doctor::facts::{Boot, Host, Kernel};
use crate::doctor::{Check, Severity, examine};
use crate::kernel::netlink::XdpMode;

#[test]
fn the_kernel_is_looked_at() {
    use Severity::{Error, Note, Warning};
    let kernel = |change: fn(&mut Kernel)| found("pass", |f| change(&mut f.kernel));
    one(
        &kernel(|k| k.release = "5.10.0".into()),
        Error,
        Check::Kernel,
        "boot Linux 6.1",
    );
    one(
        &kernel(|k| k.release = "5.15.0".into()),
        Warning,
        Check::Kernel,
        "",
    );
    one(
        &kernel(|k| k.has_btf = false),
        Error,
        Check::Btf,
        "CONFIG_DEBUG_INFO_BTF",
    );
    one(
        &kernel(|k| k.missing = Ok(vec!["x"])),
        Error,
        Check::Features,
        "boot Linux 6.1",
    );
    one(
        &kernel(|k| k.missing = Err("no".into())),
        Note,
        Check::Features,
        "as root",
    );
    one(
        &kernel(|k| k.is_jit_on = Some(false)),
        Warning,
        Check::Jit,
        "bpf_jit_enable=1",
    );
    one(
        &kernel(|k| k.counts_runs = Some(true)),
        Note,
        Check::Statistics,
        "stats_enabled=0",
    );
    let slow = kernel(|k| k.clocksource = Some("hpet".into()));
    one(&slow, Warning, Check::Clocksource, "current_clocksource");
    one(
        &kernel(|k| k.is_clock_synchronised = false),
        Note,
        Check::Clock,
        "set-ntp",
    );
}

#[test]
fn privileges_places_and_limits_are_looked_at() {
    use Severity::{Error, Note, Warning};
    let host = |change: fn(&mut Host)| found("pass", |f| change(&mut f.host));
    let lacks = host(|h| {
        h.lacking_capabilities = vec!["CAP_BPF"];
        h.state_problem = Some("of another user's question".into());
    });
    one(&lacks, Error, Check::Capabilities, "sudo");
    let mount = || Some(("no bpffs".into(), "mount -t bpf".into()));
    let mut facts = super::host("pass");
    facts.host.bpffs = mount();
    one(&examine(&facts), Error, Check::Bpffs, "mount -t bpf");
    let read_only = host(|h| h.state_problem = Some("Read-only file system".into()));
    one(&read_only, Error, Check::StateDirectory, "install -d");
    one(
        &host(|h| h.state_free = Some(1 << 20)),
        Warning,
        Check::StateDirectory,
        "df -h",
    );
    one(
        &host(|h| h.damaged = vec!["x.damaged".into()]),
        Note,
        Check::StateDirectory,
        "rm x.damaged",
    );
    let large = host(|h| (h.memory_needed, h.memory_available) = (Some(2 << 30), Some(1 << 30)));
    one(&large, Error, Check::Memory, "tracked_sources");
    let watched = host(|h| h.inotify_problem = Some("EMFILE".into()));
    one(&watched, Warning, Check::Inotify, "max_user_instances");
}

#[test]
fn the_next_boot_is_looked_at() {
    use Severity::Warning;
    let boot = |change: fn(&mut Boot)| found("pass", |f| change(&mut f.boot));
    one(
        &boot(|b| b.unit = None),
        Warning,
        Check::Boot,
        "systemctl enable --now",
    );
    one(
        &boot(|b| b.is_enabled = false),
        Warning,
        Check::Boot,
        "systemctl enable",
    );
    let late = "[Unit]\nAfter=network.target\n";
    let late = found("pass", |f| f.boot.unit = Some(late.into()));
    one(&late, Warning, Check::Boot, "systemctl revert");
    let elsewhere = boot(|b| (b.is_systemd, b.unit) = (false, None));
    assert_eq!(elsewhere, []);
    let dead = found("pass", |f| {
        f.devices[0].is_ours = true;
        f.devices[0].link.xdp = Some((XdpMode::Native, 7));
        f.boot.is_daemon_there = false;
    });
    one(&dead, Warning, Check::Daemon, "systemctl restart");
}

#[test]
fn units_are_read_where_systemd_reads_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    for path in [
        "run/systemd/system",
        "usr/lib/systemd/system",
        "etc/systemd/system/sysinit.target.wants",
    ] {
        std::fs::create_dir_all(root.join(path)).expect("ours");
    }
    assert_eq!(Boot::read_below(root).unit, None);
    let unit = root.join("usr/lib/systemd/system/edge-filter.service");
    std::fs::write(&unit, UNIT).expect("ours");
    let found = Boot::read_below(root);
    assert!(found.is_systemd && !found.is_enabled);
    assert_eq!(found.unit.as_deref(), Some(UNIT));
    let wanted = root.join("etc/systemd/system/sysinit.target.wants/edge-filter.service");
    std::os::unix::fs::symlink(&unit, wanted).expect("ours");
    assert!(Boot::read_below(root).is_enabled);
}
