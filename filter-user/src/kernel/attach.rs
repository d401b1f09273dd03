//! The program onto interfaces: by links that are pinned, so that they outlive the daemon.

use super::KernelError;
use super::load::Kernel;
use super::netlink::{Link, XdpMode};
use crate::config::policy::AttachMode;
use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::xdp::XdpLink;
use aya::programs::{self, ProgramError};
use std::collections::BTreeMap;
use std::error::Error as _;
use std::io;
use std::sync::OnceLock;

/// How an interface came to be filtered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attached {
    /// A link of an earlier daemon now runs this program.
    Adopted,
    /// A new link.
    Fresh {
        /// In which mode.
        mode: XdpMode,
        /// Why it is not native, if native was tried.
        fallback: Option<String>,
    },
}

impl Kernel {
    /// Attaches to an interface, or takes over the link that is pinned for it by its configured
    /// name, whatever its name is now.
    ///
    /// # Errors
    /// Another program is there, the device is not Ethernet, or the kernel refuses.
    pub fn attach(
        &mut self,
        device: &str,
        link: &Link,
        mode: AttachMode,
        force: bool,
    ) -> Result<Attached, KernelError> {
        let fits = link.is_ethernet || link.is_loopback && force;
        if !fits {
            let what = if link.is_loopback {
                "the loopback interface is attached to with --force only"
            } else {
                "not an Ethernet device: XDP would misread its frames"
            };
            return Err(refused(&link.name, what.into(), None));
        }
        if self.adopt(device, link)? {
            return Ok(Attached::Adopted);
        }
        if let Some((mode, id)) = link.xdp {
            return Err(another_program(&link.name, mode, id));
        }
        match mode {
            AttachMode::Native => self.attach_fresh(device, link, programs::XdpMode::Driver, None),
            AttachMode::Generic => self.attach_fresh(device, link, programs::XdpMode::Skb, None),
            AttachMode::Auto => {
                match self.attach_fresh(device, link, programs::XdpMode::Driver, None) {
                    Err(error) if is_driver_limit(&error) => {
                        let why = why(&error);
                        self.attach_fresh(device, link, programs::XdpMode::Skb, Some(why))
                    }
                    result => result,
                }
            }
        }
    }

    /// Replaces the program behind a pinned link, in one step. `false` if there is none that
    /// lives on this interface.
    fn adopt(&mut self, device: &str, link: &Link) -> Result<bool, KernelError> {
        let path = self.folder.link(device);
        if !path.exists() {
            return Ok(false);
        }
        let fail = |source: Box<dyn std::error::Error + Send + Sync>| {
            refused(
                &link.name,
                "its pinned link cannot be taken over".into(),
                Some(source),
            )
        };
        let pinned = PinnedLink::from_pin(&path).map_err(|error| fail(error.into()))?;
        let pinned = FdLink::from(pinned);
        let info = pinned.info().map_err(|error| fail(error.into()))?;
        // A link whose device went away runs nothing; one whose device is another's (a name
        // that was given anew) must not be taken for this one.
        let is_here = link.xdp.is_some_and(|(_, id)| id == info.program_id());
        if !is_here {
            drop(pinned);
            self.detach(device)?;
            return Ok(false);
        }
        let pinned = XdpLink::try_from(pinned).map_err(|error| fail(error.into()))?;
        let program = self.xdp()?;
        let id = program
            .attach_to_link(pinned)
            .map_err(|error| fail(error.into()))?;
        drop(program.take_link(id));
        self.hold(device);
        Ok(true)
    }

    fn attach_fresh(
        &mut self,
        device: &str,
        link: &Link,
        mode: programs::XdpMode,
        fallback: Option<String>,
    ) -> Result<Attached, KernelError> {
        let path = self.folder.link(device);
        let fail = |source: Box<dyn std::error::Error + Send + Sync>| {
            let what = explain(&*source);
            refused(&link.name, what, Some(source))
        };
        let program = self.xdp()?;
        let id = program
            .attach_to_if_index(link.index, mode)
            .map_err(|error| fail(error.into()))?;
        let attached = program.take_link(id).map_err(|error| fail(error.into()))?;
        let attached = FdLink::try_from(attached).map_err(|error| fail(error.into()))?;
        attached.pin(&path).map_err(|error| fail(error.into()))?;
        self.hold(device);
        let mode = match mode {
            programs::XdpMode::Driver => XdpMode::Native,
            _ => XdpMode::Generic,
        };
        Ok(Attached::Fresh { mode, fallback })
    }
}

/// Names of the host's programs by id, from the time when they could be asked for.
static NAMES: OnceLock<BTreeMap<u32, String>> = OnceLock::new();

/// Asks how the host's programs are called, to say so later when one of them is in the way: to ask
/// takes CAP_SYS_ADMIN, which is given up. Of programs that come later the id is said.
pub fn learn_names() {
    NAMES.get_or_init(names);
}

/// Empty without CAP_SYS_ADMIN.
fn names() -> BTreeMap<u32, String> {
    let name = |program: programs::ProgramInfo| {
        let name = program.name_as_str()?.to_owned();
        Some((program.id(), name))
    };
    programs::loaded_programs()
        .flatten()
        .filter_map(name)
        .collect()
}

fn refused(
    interface: &str,
    what: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
) -> KernelError {
    KernelError::Attach {
        interface: interface.into(),
        what,
        source,
    }
}

fn another_program(interface: &str, mode: XdpMode, id: u32) -> KernelError {
    let learnt = || NAMES.get().and_then(|names| names.get(&id).cloned());
    let name = names().remove(&id).or_else(learnt);
    let name = match name {
        Some(name) => format!("{name} (id {id}, {})", mode.label()),
        None => format!(
            "id {id}, {} (bpftool prog show id {id} names it)",
            mode.label()
        ),
    };
    let what = format!(
        "another XDP program is attached: {name}; it is not replaced. If it is not needed: \
         ip link set dev {interface} xdp off"
    );
    refused(interface, what, None)
}

/// The system's error at the bottom of a chain.
fn errno(error: &(dyn std::error::Error + 'static)) -> Option<i32> {
    let mut at = Some(error);
    while let Some(error) = at {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return error.raw_os_error();
        }
        if let Some(ProgramError::SyscallError(call)) = error.downcast_ref::<ProgramError>() {
            return call.io_error.raw_os_error();
        }
        at = error.source();
    }
    None
}

fn explain(error: &(dyn std::error::Error + 'static)) -> String {
    match errno(error) {
        Some(libc::EBUSY | libc::EEXIST) => "another XDP program is attached".into(),
        Some(libc::EOPNOTSUPP) => "the driver has no native XDP".into(),
        Some(libc::ERANGE) => "the MTU is too large for native XDP, or its peer's is".into(),
        Some(libc::ENOSPC) => "too few queues for native XDP".into(),
        Some(libc::EINVAL) => {
            "the driver refuses native XDP: MTU, channels or offloads; see dmesg".into()
        }
        Some(libc::ENODEV) => "the interface is gone".into(),
        _ => "the kernel refuses to attach".into(),
    }
}

/// Whether the driver cannot run XDP natively, as opposed to: somebody else is there.
fn is_driver_limit(error: &KernelError) -> bool {
    let KernelError::Attach {
        source: Some(source),
        ..
    } = error
    else {
        return false;
    };
    // No number: aya fell back to netlink after EINVAL, and made a link that cannot be pinned.
    !matches!(
        errno(&**source),
        Some(libc::EBUSY | libc::EEXIST | libc::ENODEV | libc::EPERM)
    )
}

fn why(error: &KernelError) -> String {
    match error.source() {
        Some(source) => format!("{error} ({source})"),
        None => error.to_string(),
    }
}
