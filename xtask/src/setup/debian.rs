//! Packages of Debian's archive without touching the host's apt: own sources, own lists, own cache.
//!
//! Signatures are checked against the host's Debian keyring. Nothing is installed: a package is
//! only downloaded, and unpacked on request.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command;

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
const ARCHIVE: &str = "http://deb.debian.org/debian";
const SECURITY: &str = "http://deb.debian.org/debian-security";

/// One release of Debian, or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// Debian 11's long-term support.
    BullseyeSecurity,
    /// Debian 12.
    Bookworm,
    /// Debian 12's security updates.
    BookwormSecurity,
    /// What Debian 13 takes over from the next release.
    TrixieBackports,
}

/// An apt that knows these suites and keeps all its files in one folder.
pub struct PrivateApt {
    folder: PathBuf,
    configuration: PathBuf,
}

impl Suite {
    const fn name(self) -> &'static str {
        match self {
            Self::BullseyeSecurity => "bullseye-security",
            Self::Bookworm => "bookworm",
            Self::BookwormSecurity => "bookworm-security",
            Self::TrixieBackports => "trixie-backports",
        }
    }

    fn source(self) -> String {
        let archive = match self {
            Self::BullseyeSecurity | Self::BookwormSecurity => SECURITY,
            Self::Bookworm | Self::TrixieBackports => ARCHIVE,
        };
        format!("deb [signed-by={KEYRING}] {archive} {} main\n", self.name())
    }
}

impl PrivateApt {
    /// Writes the configuration into `folder`, which may hold the lists of an earlier run, and
    /// fetches the package lists.
    pub fn new(folder: &Path, suites: &[Suite]) -> Result<Self> {
        for program in ["apt-get", "apt-cache", "dpkg-deb"] {
            if !command::is_on_path(program) {
                bail!("this host has no {program}, so Debian's package cannot be used");
            }
        }
        if !Path::new(KEYRING).is_file() {
            bail!("{KEYRING} is missing; install the package debian-archive-keyring");
        }
        for subfolder in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(folder.join(subfolder))
                .with_context(|| format!("cannot write to {}", folder.display()))?;
        }
        let sources: String = suites.iter().map(|suite| suite.source()).collect();
        fs::write(folder.join("sources.list"), sources)
            .with_context(|| format!("cannot write to {}", folder.display()))?;
        let configuration = folder.join("apt.conf");
        fs::write(&configuration, text_of(folder))
            .with_context(|| format!("cannot write {}", configuration.display()))?;
        let apt = Self {
            folder: folder.to_owned(),
            configuration,
        };
        command::output(apt.command("apt-get").args(["--quiet=2", "update"])).with_context(
            || {
                let names: Vec<_> = suites.iter().map(|suite| suite.name()).collect();
                format!(
                    "cannot read the package lists of Debian's {}",
                    names.join(", ")
                )
            },
        )?;
        Ok(apt)
    }

    /// Names of packages that begin so; some may have no version that can be downloaded.
    pub fn names(&self, beginning: &str) -> Result<Vec<String>> {
        let names = command::output(self.command("apt-cache").args(["pkgnames", beginning]))?;
        Ok(names.lines().map(str::to_owned).collect())
    }

    /// Versions that can be downloaded, newest first.
    pub fn versions(&self, package: &str) -> Result<Vec<String>> {
        let table = command::output(self.command("apt-cache").args(["madison", package]))?;
        // `rust-src | 1.95.0+dfsg1-2~bpo13+1 | http://… Packages`
        let version = |line: &str| Some(line.split('|').nth(1)?.trim().to_owned());
        Ok(table.lines().filter_map(version).collect())
    }

    /// Downloads the newest `package` whose version starts with `version_prefix` and unpacks it
    /// into `place`.
    pub fn unpack(&self, package: &str, version_prefix: &str, place: &Path) -> Result<()> {
        let versions = self.versions(package)?;
        let version = versions
            .iter()
            .find(|version| version.starts_with(version_prefix))
            .with_context(|| {
                format!("no {package} of version {version_prefix}*; there is {versions:?}")
            })?;
        let download = tempfile::tempdir_in(&self.folder)
            .with_context(|| format!("cannot write to {}", self.folder.display()))?;
        command::output(
            self.command("apt-get")
                .args(["--quiet=2", "download"])
                .arg(format!("{package}={version}"))
                .current_dir(download.path()),
        )?;
        let file = fs::read_dir(download.path())
            .with_context(|| format!("cannot read {}", download.path().display()))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
            .with_context(|| format!("apt-get download left no {package}*.deb"))?;
        command::output(Command::new("dpkg-deb").arg("-x").arg(file).arg(place)).map(drop)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("APT_CONFIG", &self.configuration)
            .env("LC_ALL", "C");
        command
    }
}

fn text_of(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        r#"Dir::Etc::sourcelist "{folder}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::State::Lists "{folder}/lists";
Dir::State::status "/dev/null";
Dir::Cache "{folder}/cache";
Acquire::Languages "none";
APT::Sandbox::User "root";
"#
    )
}
