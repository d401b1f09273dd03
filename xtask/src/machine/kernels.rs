//! Which kernels Debian offers today, and their files on this disk.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail};

use crate::progress::say;
use crate::setup::debian::PrivateApt;

/// The first two numbers of a kernel's release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Series {
    major: u16,
    minor: u16,
}

/// One kernel, unpacked.
pub struct Kernel {
    /// What `uname -r` will say.
    pub release: String,
    /// The image that a boot loader starts.
    pub image: PathBuf,
    /// Folder of its modules.
    pub modules: PathBuf,
}

impl Series {
    /// Of these numbers.
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }
}

impl fmt::Display for Series {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&format!("{}.{}", self.major, self.minor))
    }
}

impl FromStr for Series {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (major, minor) = text.split_once('.').context("wanted such as `6.1`")?;
        Ok(Self::new(major.parse()?, minor.parse()?))
    }
}

impl Kernel {
    /// Downloads the series' newest kernel for clouds into `folder`, unless it is there.
    pub fn fetch(series: Series, apt: &PrivateApt, folder: &Path) -> Result<Self> {
        let release = newest(series, apt)?;
        let place = folder.join(&release);
        if !place.exists() {
            say(&format!("downloading Linux {release} (20 to 50 MB)"));
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
            let staging = tempfile::tempdir_in(folder)
                .with_context(|| format!("cannot write to {}", folder.display()))?;
            let unpacked = staging.path().join("unpacked");
            for package in packages(&release, apt)? {
                apt.unpack(&package, "", &unpacked)?;
            }
            // Whole or not at all: a run may end at any moment.
            fs::rename(&unpacked, &place)
                .with_context(|| format!("cannot move to {}", place.display()))?;
        }
        Self::in_folder(release, &place)
    }

    fn in_folder(release: String, place: &Path) -> Result<Self> {
        let existing = |candidates: [String; 2]| {
            candidates
                .iter()
                .map(|path| place.join(path))
                .find(|path| path.exists())
                .with_context(|| format!("{} has no {candidates:?}", place.display()))
        };
        Ok(Self {
            image: existing([
                format!("boot/vmlinuz-{release}"),
                format!("usr/lib/modules/{release}/vmlinuz"),
            ])?,
            modules: existing([
                format!("lib/modules/{release}"),
                format!("usr/lib/modules/{release}"),
            ])?,
            release,
        })
    }
}

/// Release of the newest kernel that every package of can be downloaded.
fn newest(series: Series, apt: &PrivateApt) -> Result<String> {
    let mut releases: Vec<String> = apt
        .names(&format!("linux-image-{series}."))?
        .iter()
        .filter_map(|name| name.strip_prefix("linux-image-"))
        .filter(|release| release.ends_with("-cloud-amd64") && !release.contains("-rt"))
        // `6.1-cloud-amd64` is a name for whatever is newest.
        .filter(|release| release.matches('.').count() >= 2)
        .map(str::to_owned)
        .collect();
    releases.sort_by_key(|release| std::cmp::Reverse(natural(release)));
    for release in releases {
        if packages(&release, apt).is_ok() {
            return Ok(release);
        }
    }
    bail!("Debian's suites offer no {series} today")
}

/// The packages that one kernel is spread over: one, or three from 6.19 on.
fn packages(release: &str, apt: &PrivateApt) -> Result<Vec<String>> {
    let can_be_had = |package: &String| Ok::<_, anyhow::Error>(!apt.versions(package)?.is_empty());
    let parts = ["base", "binary", "modules"].map(|part| format!("linux-{part}-{release}"));
    if can_be_had(&parts[1])? {
        for part in &parts {
            if !can_be_had(part)? {
                bail!("{part} cannot be had");
            }
        }
        return Ok(parts.into());
    }
    let whole = format!("linux-image-{release}");
    if !can_be_had(&whole)? {
        bail!("{whole} cannot be had");
    }
    Ok(vec![whole])
}

/// The numbers in a release, for its place among others.
fn natural(release: &str) -> Vec<u32> {
    release
        .split(|character: char| !character.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_ordered_by_number() {
        assert!(natural("6.1.0-9-cloud-amd64") < natural("6.1.0-40-cloud-amd64"));
        assert!(natural("7.2.9+deb13-cloud-amd64") < natural("7.2.12+deb13-cloud-amd64"));
    }
}
