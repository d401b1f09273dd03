//! The policy that a daemon starts with: the configured one, else the last good one, else none.

use super::prepare::{PrepareError, Prepared, beyond_capacity};
use super::start::report_warnings;
use crate::commands::Failure;
use crate::config::policy::Policy;
use crate::config::{self, Errors, HostFacts, Loaded};
use crate::last_good::{self, Kept};
use crate::locations::Locations;
use anyhow::Context as _;
use std::path::{Path, PathBuf};

/// What to start with.
pub(super) enum First {
    /// As configured.
    Configured(Prepared),
    /// The last good policy, because of these errors in the configured one.
    LastGood(Prepared, Errors),
    /// A candidate that is in force already, and waits for its confirmation.
    Pending(Policy),
}

impl First {
    /// The configured policy, else the last good one.
    ///
    /// # Errors
    /// There is neither.
    pub(super) fn find(
        config: &Path,
        locations: &Locations,
        host: &HostFacts,
        prepare: &dyn Fn(Loaded) -> Result<Prepared, PrepareError>,
    ) -> Result<Self, Failure> {
        let errors = match config::load_regular(config, host) {
            Ok(loaded) => {
                let files = loaded.files();
                match prepare(loaded) {
                    Ok(prepared) => return Ok(Self::Configured(prepared)),
                    Err(error) => Errors {
                        // Its lists may be what is too much.
                        files,
                        ..beyond_capacity(config, &error)
                    },
                }
            }
            Err(errors) => errors,
        };
        match last_good::load(Kept::LastGood, &locations.state_directory, host) {
            Ok(Some(loaded)) => {
                let kept = prepare(loaded).context("the last good policy does not compile")?;
                // The running filter may be pinned only where it was configured to be.
                let pinned = &kept.loaded.policy.daemon.pin_path;
                if *pinned != locations.pin_path {
                    return Err(Failure::InvalidConfig(errors));
                }
                Ok(Self::LastGood(kept, errors))
            }
            Ok(None) => {
                eprintln!("edge-filter: there is no last good policy to use instead: not started");
                Err(Failure::InvalidConfig(errors))
            }
            Err(error) => {
                eprintln!("edge-filter: the last good policy does not help: {error}");
                Err(Failure::InvalidConfig(errors))
            }
        }
    }

    pub(super) const fn policy(&self) -> &Policy {
        match self {
            Self::Configured(prepared) | Self::LastGood(prepared, _) => &prepared.loaded.policy,
            Self::Pending(policy) => policy,
        }
    }

    /// The files whose change is worth a reload.
    pub(super) fn files(&self, config: &Path) -> Vec<PathBuf> {
        match self {
            Self::Configured(prepared) => prepared.loaded.files(),
            Self::LastGood(_, errors) => errors.files.clone(),
            Self::Pending(_) => vec![config.to_path_buf()],
        }
    }

    /// In the log.
    pub(super) fn report(&self, config: &Path) {
        match self {
            Self::Configured(prepared) => report_warnings(&prepared.loaded),
            Self::LastGood(prepared, errors) => {
                tracing::error!(
                    "{} is not valid; THE LAST GOOD POLICY IS USED INSTEAD:\n{errors}",
                    config.display()
                );
                report_warnings(&prepared.loaded);
            }
            Self::Pending(_) => {}
        }
    }
}
