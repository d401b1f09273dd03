//! A configuration up to the point where only the kernel is left to say yes.

use crate::compile::{self, CompileError, Generation, compile};
use crate::config::policy::Policy;
use crate::config::{self, Diagnostic, Errors, HostFacts, Loaded, Severity};
use crate::control::{Refusal, RefusalKind};
use crate::ids::Book;
use crate::kernel::counters::Counted;
use crate::shrink::{Shrunk, shrunk};
use std::path::{Path, PathBuf};

/// Ready to be put in force.
pub struct Prepared {
    /// The configuration.
    pub loaded: Loaded,
    /// Its tables.
    pub generation: Generation,
    /// The numbers that the tables use.
    pub book: Book,
    /// Slots, in the order of the policy's interfaces.
    pub ids: compile::Ids,
}

/// Why a configuration is not put in force.
#[derive(Debug, thiserror::Error)]
pub enum Rejection {
    /// It is not valid.
    #[error("{0}")]
    Invalid(Errors),
    /// It is valid but more than the tables can hold.
    #[error(transparent)]
    Capacity(CompileError),
    /// Lists lost more than they may.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Shrunk(Vec<Shrunk>),
    /// The kernel, or the state directory, does not take it.
    #[error("{0:#}")]
    Failed(anyhow::Error),
}

impl Rejection {
    /// The files whose change is worth another try, if they are other than before.
    pub fn files(&self) -> Option<&[PathBuf]> {
        match self {
            Self::Invalid(errors) => Some(&errors.files),
            _ => None,
        }
    }

    /// What the caller of `reload` is told.
    pub fn refusal(&self) -> Refusal {
        let kind = match self {
            Self::Invalid(_) | Self::Capacity(_) => RefusalKind::InvalidConfig,
            Self::Shrunk(_) => RefusalKind::Shrunk,
            Self::Failed(_) => RefusalKind::Failed,
        };
        let diagnostics = match self {
            Self::Invalid(errors) => errors.diagnostics.iter().map(|d| d.to_json()).collect(),
            _ => Vec::new(),
        };
        Refusal {
            kind,
            message: self.to_string(),
            diagnostics,
        }
    }
}

/// A configuration that is valid, but more than the tables hold: an error of the file as a whole.
pub fn beyond_capacity(config: &Path, error: &CompileError) -> Errors {
    Errors {
        diagnostics: vec![Diagnostic {
            severity: Severity::Error,
            message: error.to_string(),
            file: config.to_path_buf(),
            place: None,
            also: None,
            help: None,
        }],
        files: vec![config.to_path_buf()],
    }
}

/// Compiles with numbers from a book; the caller keeps the old book until the policy is in force.
///
/// # Errors
/// The tables cannot hold it.
pub fn prepare(
    loaded: Loaded,
    mut book: Book,
    counted: &[Counted],
) -> Result<Prepared, CompileError> {
    let ids = book.assign(&loaded.policy, counted);
    let generation = compile(&loaded.policy, &ids)?;
    Ok(Prepared {
        loaded,
        generation,
        book,
        ids,
    })
}

/// Loads the configuration to take the place of `before`. Reads files, takes a second for a
/// million prefixes.
///
/// # Errors
/// Why the policy in force stays.
pub fn reload(
    config: &Path,
    before: &Policy,
    book: Book,
    counted: &[Counted],
    force: bool,
) -> Result<Prepared, Rejection> {
    let loaded = config::load(config, &HostFacts::read()).map_err(Rejection::Invalid)?;
    let lost = shrunk(before, &loaded.policy);
    if !force && !lost.is_empty() {
        return Err(Rejection::Shrunk(lost));
    }
    prepare(loaded, book, counted).map_err(Rejection::Capacity)
}
