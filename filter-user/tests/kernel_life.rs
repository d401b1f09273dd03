//! Maps, generations and links through a daemon's life. Needs root; everything happens in the
//! test thread's own network and mount namespaces, which go with it.

use filter_common::version::ABI_VERSION;
use filter_user::compile::{Ids, compile};
use filter_user::config::policy::{AttachMode, Policy};
use filter_user::config::{HostFacts, load_from};
use filter_user::kernel::attach::Attached;
use filter_user::kernel::generations::Placement;
use filter_user::kernel::netlink::{Link, XdpMode, links_now};
use filter_user::kernel::{Kernel, Options, Pins};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use std::path::{Path, PathBuf};
use std::process::Command;

const CONFIG: &str = r#"
[[interface]]
name = "ef0"

[[service]]
name = "api"
ports = ["443/tcp"]
allow = ["192.0.2.0/24", "2001:db8::/32"]
"#;

fn object() -> Vec<u8> {
    let folder = std::env::var_os("EDGE_FILTER_OBJECT_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bpf"),
        PathBuf::from,
    );
    let path = folder.join("edge-filter.o");
    std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}: cargo xtask build", path.display()))
}

/// Runs `test` in new namespaces with a veth pair and a bpffs.
fn in_new_namespaces(test: impl FnOnce(&Path) + Send) {
    let folder = tempfile::tempdir().expect("temporary folder");
    std::thread::scope(|scope| {
        let run = || {
            // SAFETY: this thread shares nothing that it uses with others: it only waits.
            unsafe { unshare_unsafe(UnshareFlags::NEWNET | UnshareFlags::NEWNS) }
                .expect("needs root");
            let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
            mount_change("/", private).expect("private mounts");
            mount("bpf", folder.path(), "bpf", MountFlags::empty(), None).expect("bpffs");
            ip("link add ef0 type veth peer name ef1");
            ip("link set ef0 up");
            ip("link set ef1 up");
            test(folder.path());
        };
        scope.spawn(run).join().expect("the test");
    });
}

fn ip(arguments: &str) {
    let status = Command::new("ip")
        .args(arguments.split(' '))
        .status()
        .expect("iproute2");
    assert!(status.success(), "ip {arguments}");
}

fn policy() -> Policy {
    let read = |_: &Path| Err(std::io::Error::other("no files here"));
    let loaded = load_from(
        Path::new("config.toml"),
        CONFIG.as_bytes(),
        &read,
        &HostFacts::default(),
    );
    loaded.unwrap_or_else(|errors| panic!("{errors}")).policy
}

fn interface(name: &str) -> Link {
    let links = links_now().expect("netlink");
    links
        .into_iter()
        .find(|link| link.name == name)
        .expect("the interface")
}

fn options(pins: &Path) -> Options {
    Options {
        pin_path: pins.join("edge"),
        tracked_sources: 16_384,
        log_level: 0,
    }
}

fn open(pins: &Path) -> Kernel {
    Kernel::open(&object(), &options(pins)).unwrap_or_else(|error| panic!("{error:?}"))
}

fn place(kernel: &mut Kernel) -> u32 {
    let policy = policy();
    let generation = compile(&policy, &Ids::in_order(&policy)).expect("compiles");
    kernel
        .place(&generation.fixed, &generation.pages, Placement::ForGood)
        .expect("placed")
        .generation
}

#[test]
fn a_new_daemon_takes_over_what_runs_and_unload_leaves_nothing() {
    in_new_namespaces(|pins| {
        let mut kernel = open(pins);
        assert!(!kernel.is_adopted);
        let seed = kernel.state.seed();
        assert!(seed.words.iter().all(|word| *word != 0), "a key was drawn");
        assert_eq!(place(&mut kernel), 1);
        let attached = kernel
            .attach("ef0", &interface("ef0"), AttachMode::Native, false)
            .expect("attached");
        assert_eq!(
            attached,
            Attached::Fresh {
                mode: XdpMode::Native,
                fallback: None
            }
        );
        let first = kernel.program_id();
        assert_eq!(interface("ef0").xdp, Some((XdpMode::Native, first)));
        drop(kernel);
        assert_eq!(
            interface("ef0").xdp,
            Some((XdpMode::Native, first)),
            "the link is pinned"
        );

        let mut kernel = open(pins);
        assert!(kernel.is_adopted);
        assert_eq!(kernel.state.seed(), seed);
        assert_eq!(kernel.state.active().generation(), 1);
        for number in 2..12 {
            assert_eq!(place(&mut kernel), number);
        }
        let attached = kernel
            .attach("ef0", &interface("ef0"), AttachMode::Native, false)
            .expect("adopted");
        assert_eq!(attached, Attached::Adopted);
        let second = kernel.program_id();
        assert_ne!(first, second);
        assert_eq!(interface("ef0").xdp, Some((XdpMode::Native, second)));
        drop(kernel);

        let pinned = Pins::open(&options(pins).pin_path)
            .expect("opens")
            .expect("is pinned");
        assert_eq!(pinned.state.active().generation(), 11);
        assert_eq!(pinned.folder.linked_program("ef0"), Some(second));
        assert_eq!(pinned.folder.unload().expect("unloads"), ["ef0"]);
        assert_eq!(interface("ef0").xdp, None);
        assert!(!options(pins).pin_path.exists());
    });
}

#[test]
fn an_interface_that_vanished_and_returned_is_attached_again() {
    in_new_namespaces(|pins| {
        let mut kernel = open(pins);
        place(&mut kernel);
        kernel
            .attach("ef0", &interface("ef0"), AttachMode::Auto, false)
            .expect("attached");
        ip("link del ef0");
        ip("link add ef0 type veth peer name ef1");
        let again = kernel
            .attach("ef0", &interface("ef0"), AttachMode::Auto, false)
            .expect("attached");
        assert_eq!(
            again,
            Attached::Fresh {
                mode: XdpMode::Native,
                fallback: None
            }
        );
        assert!(interface("ef0").xdp.is_some());
        kernel.folder.unload().expect("unloads");
    });
}

#[test]
fn another_program_is_refused_by_name() {
    in_new_namespaces(|pins| {
        let mut other = Kernel::open(
            &object(),
            &Options {
                pin_path: pins.join("other"),
                ..options(pins)
            },
        )
        .expect("loads");
        other
            .attach("ef0", &interface("ef0"), AttachMode::Generic, false)
            .expect("attached");
        let mut kernel = open(pins);
        let refusal = kernel
            .attach("ef0", &interface("ef0"), AttachMode::Auto, false)
            .expect_err("taken");
        let refusal = refusal.to_string();
        assert!(
            refusal.contains("another XDP program is attached: edge_filter"),
            "{refusal}"
        );
        assert!(refusal.contains("generic"), "{refusal}");
    });
}

#[test]
fn a_pinned_map_of_another_shape_is_not_used() {
    in_new_namespaces(|pins| {
        drop(open(pins));
        let counts = format!("v{ABI_VERSION}/maps/COUNTS");
        let counts = options(pins).pin_path.join(counts);
        std::fs::remove_file(&counts).expect("removed");
        let map = aya::maps::PerCpuArray::<_, u64>::create(7, 0).expect("made");
        map.pin(&counts).expect("pinned");
        let error = Kernel::open(&object(), &options(pins))
            .err()
            .expect("refused")
            .to_string();
        assert!(
            error.contains("COUNTS") && error.contains("edge-filter unload"),
            "{error}"
        );
    });
}

#[test]
fn more_or_fewer_tracked_sources_need_no_unload() {
    in_new_namespaces(|pins| {
        let kernel = open(pins);
        assert_eq!(kernel.state.set_masks(), (2047, 2047));
        drop(kernel);
        for (tracked_sources, before, after) in [(65_536, 2047, 8191), (16_384, 2047, 2047)] {
            let options = Options {
                tracked_sources,
                ..options(pins)
            };
            let kernel = Kernel::open(&object(), &options).expect("opens");
            assert_eq!(
                kernel.state.set_masks(),
                (before, before),
                "as long as both may run"
            );
            kernel.settle();
            assert_eq!(kernel.state.set_masks(), (after, after));
        }
    });
}
