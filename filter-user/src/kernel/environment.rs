//! What this host must have, asked before anything is half done.

use super::KernelError;
use rustix::fs::statfs;
use std::path::Path;

/// `BPF_FS_MAGIC` of linux/magic.h.
const BPFFS: i64 = 0xcafe_4a11;
/// Capabilities by number (linux/capability.h).
const CAPABILITIES: [(u32, &str); 3] =
    [(12, "CAP_NET_ADMIN"), (38, "CAP_PERFMON"), (39, "CAP_BPF")];
const BTF: &str = "/sys/kernel/btf/vmlinux";
/// Atomic compare-and-swap, ring buffers, links and coarse clocks are all there.
const OLDEST: (u32, u32) = (5, 15);
/// The oldest that is tested.
const SUPPORTED: (u32, u32) = (6, 1);

/// Checks kernel version, privileges, BTF and the file system of the pins. Returns warnings.
///
/// # Errors
/// The first thing that is missing, with its fix.
pub fn check(pin_path: &Path) -> Result<Vec<String>, KernelError> {
    let warnings = kernel_version(&release())?;
    capabilities()?;
    if !has_btf() {
        return Err(missing(
            format!("{BTF} is not there: this kernel has no BTF"),
            "boot a kernel built with CONFIG_DEBUG_INFO_BTF (the distributions' own are)",
        ));
    }
    bpffs(pin_path)?;
    Ok(warnings.into_iter().collect())
}

fn missing(what: String, fix: impl Into<String>) -> KernelError {
    KernelError::Environment {
        what,
        fix: fix.into(),
    }
}

/// The running kernel's release, as `uname -r` prints it.
pub fn release() -> String {
    let name = rustix::system::uname();
    name.release().to_string_lossy().into_owned()
}

/// Whether the kernel describes its own types.
pub fn has_btf() -> bool {
    Path::new(BTF).exists()
}

/// Checks the version of a kernel alone. Returns a warning if it is not a tested one.
///
/// # Errors
/// It is too old.
pub fn kernel_version(release: &str) -> Result<Option<String>, KernelError> {
    let version = parse_version(release).ok_or_else(|| {
        missing(
            format!("kernel {release}: no version"),
            "please report this",
        )
    })?;
    if version < OLDEST {
        return Err(missing(
            format!(
                "kernel {release} is too old: edge-filter needs {}.{}",
                OLDEST.0, OLDEST.1
            ),
            format!("boot Linux {}.{} or later", SUPPORTED.0, SUPPORTED.1),
        ));
    }
    if version < SUPPORTED {
        let (major, minor) = SUPPORTED;
        return Ok(Some(format!(
            "kernel {release} is untested: {major}.{minor} or later is"
        )));
    }
    Ok(None)
}

/// Major and minor number at the start of a release.
pub fn parse_version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Which of the capabilities that the daemon needs this process has not.
pub fn lacking_capabilities() -> Vec<&'static str> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0);
    let lacking = CAPABILITIES
        .iter()
        .filter(|(bit, _)| effective >> bit & 1 == 0);
    lacking.map(|(_, name)| *name).collect()
}

fn capabilities() -> Result<(), KernelError> {
    let lacking = lacking_capabilities();
    if lacking.is_empty() {
        return Ok(());
    }
    Err(missing(
        format!("this process lacks {}", lacking.join(", ")),
        "run it as root, or by sudo",
    ))
}

/// The nearest folder that exists must be on a bpffs.
///
/// # Errors
/// It is not, with the mount that mends it.
pub fn bpffs(pin_path: &Path) -> Result<(), KernelError> {
    let existing = pin_path
        .ancestors()
        .find(|path| path.exists())
        .unwrap_or(Path::new("/"));
    let kind = statfs(existing).map(|stat| stat.f_type).unwrap_or(0);
    if kind == BPFFS {
        return Ok(());
    }
    let parent = pin_path.parent().unwrap_or(pin_path).display();
    Err(missing(
        format!("{} is not on a BPF file system", pin_path.display()),
        format!("mount one: mount -t bpf bpf {parent}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_releases() {
        assert_eq!(parse_version("6.1.0-56-cloud-amd64"), Some((6, 1)));
        assert_eq!(parse_version("6.18.15+deb13-amd64"), Some((6, 18)));
        assert_eq!(parse_version("7.3-rc1"), Some((7, 3)));
        assert_eq!(parse_version("unknown"), None);
    }

    #[test]
    fn kernels_are_refused_warned_of_or_taken() {
        for (release, refused, warned) in [
            ("5.10.0-30-amd64", true, false),
            ("5.14.21", true, false),
            ("5.15.0", false, true),
            ("6.0.19", false, true),
            ("6.1.0", false, false),
            ("7.3.4", false, false),
        ] {
            match kernel_version(release) {
                Ok(warning) => assert_eq!((false, warning.is_some()), (refused, warned)),
                Err(error) => {
                    assert!(refused, "{release}");
                    let said = error.to_string();
                    assert!(
                        said.contains(release) && said.contains("boot Linux 6.1"),
                        "{said}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_folder_elsewhere_is_refused_with_the_mount_that_mends_it() {
        let error = bpffs(Path::new("/tmp/no/such/folder"))
            .expect_err("not a bpffs")
            .to_string();
        assert!(error.contains("mount -t bpf bpf /tmp/no/such"), "{error}");
    }
}
