//! Keeps interfaces attached, as they come, go and change their names.

use super::shared::unix_now;
use crate::config::policy::Interface;
use crate::kernel::attach::Attached;
use crate::kernel::netlink::{Link, XdpMode};
use crate::kernel::{Kernel, KernelError};
use std::collections::{BTreeMap, BTreeSet};

/// What is known of the configured interfaces.
#[derive(Debug, Default)]
pub struct Interfaces {
    /// Index, and since when attached, by configured name.
    attached: BTreeMap<String, (u32, u64)>,
    /// Why others are not.
    problems: BTreeMap<String, String>,
    /// Names under which attached interfaces go now, where it is not the configured one.
    renamed: BTreeMap<String, String>,
    /// Detached by hand: left alone until a restart.
    released: BTreeSet<String>,
    /// Attach to the loopback interface too.
    pub force: bool,
}

/// Why an interface is not attached that does not exist.
const MISSING: &str = "there is no such interface; it is attached to when it appears";

impl Interfaces {
    /// With times of attachment that an earlier daemon wrote down.
    pub fn new(force: bool, since: &BTreeMap<String, u64>) -> Self {
        let attached = since.iter().map(|(name, at)| (name.clone(), (0, *at)));
        Self {
            attached: attached.collect(),
            force,
            ..Self::default()
        }
    }

    /// Which interfaces an earlier daemon had attached, by configured name: one may go by another
    /// name since.
    pub fn learn(&mut self, pinned: Vec<(String, u32)>) {
        for (name, index) in pinned {
            let attached = self.attached.entry(name).or_insert_with(|| (0, unix_now()));
            if attached.0 == 0 {
                attached.0 = index;
            }
        }
    }

    /// Why interfaces are not attached, by name.
    pub const fn problems(&self) -> &BTreeMap<String, String> {
        &self.problems
    }

    /// Since when interfaces are attached, by name.
    pub fn attached_since(&self) -> BTreeMap<String, u64> {
        let attached = self.attached.iter();
        attached
            .map(|(name, (_, at))| (name.clone(), *at))
            .collect()
    }

    /// Whether the only trouble is that interfaces do not exist yet.
    pub fn is_refused(&self) -> bool {
        self.problems.values().any(|problem| problem != MISSING)
    }

    /// Lets go of an interface until a restart.
    pub fn release(&mut self, device: &str) {
        self.attached.remove(device);
        self.problems
            .insert(device.into(), "detached by `unload --device`".into());
        self.released.insert(device.into());
    }

    /// Forgets interfaces that are no longer configured, and detaches from them.
    pub fn detach_others(&mut self, kernel: &mut Kernel, configured: &[Interface]) {
        let is_configured = |name: &String| configured.iter().any(|i| i.name == *name);
        for name in kernel.folder.pinned_interfaces() {
            if is_configured(&name) {
                continue;
            }
            match kernel.detach(&name) {
                Ok(_) => tracing::info!(device = name, "detached: no longer configured"),
                Err(error) => tracing::error!(device = name, %error, "cannot detach"),
            }
        }
        self.attached.retain(|name, _| is_configured(name));
        self.problems.retain(|name, _| is_configured(name));
        self.renamed.retain(|name, _| is_configured(name));
    }

    /// Tells the packet program which interfaces there are, and attaches to those that run
    /// something else. `slots` goes with `configured`.
    pub fn sync(
        &mut self,
        kernel: &mut Kernel,
        links: &[Link],
        configured: &[Interface],
        slots: &[u8],
    ) {
        let found: Vec<Option<&Link>> = configured
            .iter()
            .map(|interface| self.find(&interface.name, links))
            .collect();
        kernel.state.set_interfaces(&table(links, &found, slots));
        let program = kernel.program_id();
        for (interface, link) in configured.iter().zip(found) {
            if self.released.contains(&interface.name) {
                continue;
            }
            match link {
                None => self.missing(&interface.name),
                Some(link) if link.xdp.is_some_and(|(_, id)| id == program) => {
                    self.is_attached(interface, link);
                }
                Some(link) => self.attach(kernel, interface, link),
            }
        }
    }

    /// By name, else by the index that was attached: a rename never detaches.
    fn find<'a>(&self, name: &str, links: &'a [Link]) -> Option<&'a Link> {
        let by_name = links.iter().find(|link| link.name == name);
        by_name.or_else(|| {
            let (index, _) = self.attached.get(name)?;
            let ours = |link: &&Link| link.index == *index && link.xdp.is_some();
            links.iter().find(ours)
        })
    }

    fn missing(&mut self, device: &str) {
        if self.attached.remove(device).is_some_and(|(i, _)| i != 0) {
            tracing::warn!(
                device,
                "the interface vanished; it is attached again when it comes back"
            );
        }
        self.problem(device, MISSING.into());
    }

    fn is_attached(&mut self, interface: &Interface, link: &Link) {
        let device = &interface.name;
        let at = self
            .attached
            .get(device)
            .map_or_else(unix_now, |(_, at)| *at);
        self.attached.insert(device.clone(), (link.index, at));
        self.problems.remove(device);
        if link.name == *device {
            self.renamed.remove(device);
        } else if self.renamed.get(device) != Some(&link.name) {
            tracing::warn!(
                device,
                now = link.name,
                "the interface was renamed; it stays filtered, but its configured name is gone"
            );
            self.renamed.insert(device.clone(), link.name.clone());
        }
    }

    fn attach(&mut self, kernel: &mut Kernel, interface: &Interface, link: &Link) {
        let device = &interface.name;
        match kernel.attach(device, link, interface.attach_mode, self.force) {
            Ok(Attached::Adopted) => {
                tracing::info!(device, "taken over from an earlier daemon, without a gap");
                let at = self
                    .attached
                    .get(device)
                    .map_or_else(unix_now, |(_, at)| *at);
                self.attached.insert(device.clone(), (link.index, at));
                self.problems.remove(device);
            }
            Ok(Attached::Fresh { mode, fallback }) => {
                match (mode, fallback) {
                    (XdpMode::Generic, Some(why)) => tracing::warn!(
                        device,
                        why,
                        "attached in GENERIC mode: slower, after the kernel has allocated for \
                         each packet"
                    ),
                    (mode, _) => tracing::info!(device, mode = mode.label(), "attached"),
                }
                self.attached
                    .insert(device.clone(), (link.index, unix_now()));
                self.problems.remove(device);
            }
            Err(error) => {
                self.attached.remove(device);
                self.problem(device, message(&error));
            }
        }
    }

    /// Said once, not at each look.
    fn problem(&mut self, device: &str, problem: String) {
        if self.problems.get(device) != Some(&problem) {
            tracing::error!(device, problem, "NOT FILTERED");
            self.problems.insert(device.into(), problem);
        }
    }
}

/// An error with its causes, without the name of the interface, which stands beside it.
fn message(error: &KernelError) -> String {
    let mut text = match error {
        KernelError::Attach { what, .. } => what.clone(),
        error => error.to_string(),
    };
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Slots by index: of the configured interfaces, and of the members of bonds and bridges among
/// them, which packets may name instead.
fn table(links: &[Link], found: &[Option<&Link>], slots: &[u8]) -> Vec<(u32, u32)> {
    let configured = found.iter().zip(slots);
    let configured = configured.filter_map(|(link, slot)| Some((link.as_ref()?.index, *slot)));
    let configured: Vec<(u32, u32)> = configured
        .map(|(index, slot)| (index, u32::from(slot)))
        .collect();
    let slot_of = |index: u32| configured.iter().find(|(i, _)| *i == index);
    let members = links.iter().filter_map(|link| {
        let (_, slot) = slot_of(link.master?)?;
        slot_of(link.index).is_none().then_some((link.index, *slot))
    });
    let members: Vec<_> = members.collect();
    configured.into_iter().chain(members).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(index: u32, name: &str, master: Option<u32>) -> Link {
        Link {
            index,
            name: name.into(),
            is_ethernet: true,
            master,
            ..Link::default()
        }
    }

    #[test]
    fn members_of_a_bond_share_its_slot() {
        let links = [
            link(2, "eth0", Some(5)),
            link(3, "eth1", Some(5)),
            link(4, "eth2", None),
            link(5, "bond0", None),
        ];
        let found = [Some(&links[3]), None, Some(&links[2])];
        let table = table(&links, &found, &[7, 8, 9]);
        assert_eq!(table, [(5, 7), (4, 9), (2, 7), (3, 7)]);
    }

    #[test]
    fn a_renamed_interface_is_found_by_its_index_only_while_something_runs_on_it() {
        let mut interfaces = Interfaces::default();
        interfaces.attached.insert("eth0".into(), (2, 0));
        let mut links = [link(2, "wan0", None)];
        assert_eq!(interfaces.find("eth0", &links), None);
        links[0].xdp = Some((XdpMode::Native, 9));
        assert_eq!(interfaces.find("eth0", &links), Some(&links[0]));
    }

    #[test]
    fn an_interface_that_is_missing_is_waited_for_one_that_is_refused_is_not() {
        let mut interfaces = Interfaces::default();
        interfaces.missing("eth0");
        assert!(!interfaces.is_refused());
        interfaces.problem("eth1", "another XDP program is attached".into());
        assert!(interfaces.is_refused());
    }
}
