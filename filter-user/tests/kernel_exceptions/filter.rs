//! A filter without interfaces, and whom its bans and allows are about.

use super::HOUR;
use filter_common::addr::Scope;
use filter_user::config::policy::{LogFormat, Policy};
use filter_user::config::{HostFacts, load_from};
use filter_user::exceptions::{
    ChangeError, Desk, Kind, Order, Target, Which, clear_numbers, count, sync,
};
use filter_user::ids::Book;
use filter_user::kernel::{Kernel, Options, Pins};
use filter_user::locations::Locations;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::Duration;

/// Pins and state of a filter without interfaces, whose policy has these services.
pub struct Filter {
    pub locations: Locations,
    pub book: Book,
}

impl Filter {
    pub fn new(folder: &Path, services: &[&str]) -> Self {
        let locations = Locations {
            pin_path: folder.join("bpf/edge"),
            state_directory: folder.join("state"),
            control_socket: folder.join("control.sock"),
            log_format: LogFormat::Text,
        };
        std::fs::create_dir(&locations.state_directory).expect("the folder is ours");
        let object = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bpf/edge-filter.o");
        let object = std::fs::read(&object)
            .unwrap_or_else(|error| panic!("{}: {error}: cargo xtask build", object.display()));
        let options = Options {
            pin_path: locations.pin_path.clone(),
            tracked_sources: 16_384,
            log_level: 0,
        };
        Kernel::open(&object, &options).unwrap_or_else(|error| panic!("{error:?}"));
        let mut filter = Self {
            book: Book::new(&locations.pin_path),
            locations,
        };
        filter.reload(services);
        filter
    }

    /// As the daemon does when a policy with these services comes in force.
    pub fn reload(&mut self, services: &[&str]) {
        let before = Book::load(&self.locations.state_directory, &self.locations.pin_path);
        self.book
            .assign(&policy(services), None, &[])
            .expect("fits");
        let pins = self.pins();
        clear_numbers(&pins, before.expect("readable").as_ref(), &self.book).expect("cleared");
        let folder = &self.locations.state_directory;
        self.book.save(folder).expect("saved");
        sync(folder, &pins, &self.book, Duration::ZERO).expect("in step");
    }

    pub fn pins(&self) -> Pins {
        let pins = Pins::open(&self.locations.pin_path).expect("opens");
        pins.expect("is pinned")
    }

    pub fn desk(&self) -> Desk {
        Desk::open(&self.locations).expect("nobody else is at it")
    }

    pub fn count(&self) -> (u64, u64) {
        count(&self.pins()).expect("readable")
    }

    pub fn ban(
        &self,
        service: Option<&str>,
        targets: &BTreeSet<Target>,
    ) -> Result<(), ChangeError> {
        self.desk()
            .set(&order(Kind::Ban, service), targets)
            .map(drop)
    }

    pub fn allow(
        &self,
        service: Option<&str>,
        targets: &BTreeSet<Target>,
    ) -> Result<(), ChangeError> {
        self.desk()
            .set(&order(Kind::Allow, service), targets)
            .map(drop)
    }

    /// What the kernel has under a name.
    pub fn expiry(&self, kind: Kind, target: &str, scope: Scope) -> Option<u64> {
        let pins = self.pins();
        let map = match kind {
            Kind::Ban => &pins.exceptions.bans,
            Kind::Allow => &pins.exceptions.allows,
        };
        let target: Target = target.parse().expect("an address");
        map.get(&target.key(scope)).expect("readable")
    }

    pub fn number(&self, service: &str) -> Scope {
        Scope::Service(self.book.services.number(service).expect("in the policy"))
    }
}

pub fn order(kind: Kind, service: Option<&str>) -> Order {
    Order {
        kind,
        service: service.map(Into::into),
        duration: Some(HOUR),
        note: "test".parse().ok(),
        keeps_longer: false,
    }
}

pub fn of_service(name: &str) -> Which<'_> {
    Which {
        service: Some(name),
        ..Which::default()
    }
}

pub fn policy(services: &[&str]) -> Policy {
    let mut text = "[[interface]]\nname = \"ef0\"\n".to_owned();
    for (n, name) in services.iter().enumerate() {
        text += &format!(
            "[[service]]\nname = \"{name}\"\nports = [\"{}/tcp\"]\nallow = [\"any\"]\n",
            1000 + n
        );
    }
    let read = |_: &Path| Err(std::io::Error::other("no files here"));
    let host = HostFacts::default();
    let loaded = load_from(Path::new("c.toml"), text.as_bytes(), &read, &host);
    loaded.unwrap_or_else(|errors| panic!("{errors}")).policy
}

pub fn target(address: impl Into<IpAddr>) -> Target {
    address.into().to_string().parse().expect("an address")
}

/// IPv4 and IPv6 in turns.
pub fn targets(from: usize, count: usize) -> BTreeSet<Target> {
    let one = |n: usize| match n % 2 {
        0 => target(Ipv4Addr::from_bits(0x0a00_0000 + n as u32)),
        _ => target(Ipv6Addr::from_bits((0x2001_0db8 << 96) + n as u128)),
    };
    (from..from + count).map(one).collect()
}

pub fn only(text: &str) -> BTreeSet<Target> {
    [text.parse().expect("an address")].into()
}

/// Runs `test` with a folder in which `bpf` is a bpffs.
pub fn with_bpffs(test: impl FnOnce(&Path) + Send) {
    let folder = tempfile::tempdir().expect("temporary folder");
    std::fs::create_dir(folder.path().join("bpf")).expect("the folder is ours");
    std::thread::scope(|scope| {
        let run = || {
            // SAFETY: this thread shares nothing that it uses with others: it only waits.
            unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.expect("needs root");
            let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
            mount_change("/", private).expect("private mounts");
            let bpf = folder.path().join("bpf");
            mount("bpf", &bpf, "bpf", MountFlags::empty(), None).expect("bpffs");
            test(folder.path());
        };
        scope.spawn(run).join().expect("the test");
    });
}
