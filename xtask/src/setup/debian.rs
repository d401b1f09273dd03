//! Packages of Debian's archive without touching the host's apt: own sources, own lists, own cache.
//!
//! Signatures are checked against the host's Debian keyring. Nothing is installed: a package is
//! only downloaded.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command;

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
const ARCHIVE: &str = "http://deb.debian.org/debian";
/// Has the pinned compiler's packages; the host may be an older release.
const SUITE: &str = "trixie-backports";

/// An apt that knows one suite and keeps all its files in one folder.
pub struct PrivateApt {
    folder: PathBuf,
    configuration: PathBuf,
}

impl PrivateApt {
    /// Writes the configuration into `folder` and fetches the package lists.
    pub fn new(folder: &Path) -> Result<Self> {
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
        let sources = format!("deb [signed-by={KEYRING}] {ARCHIVE} {SUITE} main\n");
        fs::write(folder.join("sources.list"), sources)
            .with_context(|| format!("cannot write to {}", folder.display()))?;
        let configuration = folder.join("apt.conf");
        fs::write(&configuration, text_of(folder))
            .with_context(|| format!("cannot write {}", configuration.display()))?;
        let apt = Self {
            folder: folder.to_owned(),
            configuration,
        };
        command::output(apt.command("apt-get").args(["--quiet=2", "update"]))
            .with_context(|| format!("cannot read the package lists of {ARCHIVE} {SUITE}"))?;
        Ok(apt)
    }

    /// Downloads the newest `package` whose version starts with `version_prefix`.
    pub fn download(&self, package: &str, version_prefix: &str) -> Result<PathBuf> {
        let table = command::output(self.command("apt-cache").args(["madison", package]))?;
        // `rust-src | 1.95.0+dfsg1-2~bpo13+1 | http://… Packages`, newest first.
        let version = table
            .lines()
            .filter_map(|line| line.split('|').nth(1))
            .map(str::trim)
            .find(|version| version.starts_with(version_prefix))
            .with_context(|| {
                format!("{SUITE} has no {package} of version {version_prefix}*; it has:\n{table}")
            })?;
        command::output(
            self.command("apt-get")
                .args(["--quiet=2", "download"])
                .arg(format!("{package}={version}"))
                .current_dir(&self.folder),
        )?;
        fs::read_dir(&self.folder)
            .with_context(|| format!("cannot read {}", self.folder.display()))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
            .with_context(|| format!("apt-get download left no {package}*.deb"))
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
