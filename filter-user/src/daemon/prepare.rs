//! A configuration up to the point where only the kernel is left to say yes.

use crate::compile::{self, CompileError, Generation, compile};
use crate::config::policy::Policy;
use crate::config::{self, Diagnostic, Errors, HostFacts, Loaded, Severity};
use crate::control::{Refusal, RefusalKind};
use crate::guard::{self, Finding};
use crate::ids::{Book, TooManyNames};
use crate::in_force::InForce;
use crate::kernel::counters::Counted;
use crate::last_good;
use crate::shrink::{Shrunk, shrunk};
use std::path::{Path, PathBuf};
use std::sync::Arc;

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

/// Why a valid configuration cannot be put in force.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The tables cannot hold it.
    #[error(transparent)]
    Capacity(#[from] CompileError),
    /// It cannot stand beside the policy that it may revert to.
    #[error(transparent)]
    Names(#[from] TooManyNames),
}

/// Why a configuration is not put in force.
#[derive(Debug, thiserror::Error)]
pub enum Rejection {
    /// It is not valid.
    #[error("{0}")]
    Invalid(Errors),
    /// It is valid but more than the tables can hold.
    #[error(transparent)]
    Capacity(PrepareError),
    /// Lists lost more than they may.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Shrunk(Vec<Shrunk>),
    /// Peers that matter now would lose something.
    #[error("{}", guarded(.0))]
    Guarded(Vec<Finding>),
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
            Self::Guarded(_) => RefusalKind::Guarded,
            Self::Failed(_) => RefusalKind::Failed,
        };
        let diagnostics = match self {
            Self::Invalid(errors) => errors.diagnostics.iter().map(|d| d.to_json()).collect(),
            _ => Vec::new(),
        };
        let findings = match self {
            Self::Guarded(findings) => findings.clone(),
            _ => Vec::new(),
        };
        Refusal {
            kind,
            message: self.to_string(),
            diagnostics,
            findings,
        }
    }
}

/// Most findings that a message lists; JSON has them all.
const LISTED: usize = 20;

/// Findings, one a line.
pub fn guarded(findings: &[Finding]) -> String {
    let mut lines: Vec<_> = findings
        .iter()
        .take(LISTED)
        .map(ToString::to_string)
        .collect();
    if findings.len() > LISTED {
        lines.push(format!("… and {} more", findings.len() - LISTED));
    }
    lines.join("\n")
}

/// A configuration that is valid, but more than the tables hold: an error of the file as a whole.
pub fn beyond_capacity(config: &Path, error: &dyn std::fmt::Display) -> Errors {
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
/// `beside` is the policy that it may revert to.
///
/// # Errors
/// The tables cannot hold it.
pub fn prepare(
    loaded: Loaded,
    mut book: Book,
    beside: Option<&InForce>,
    counted: &[Counted],
) -> Result<Prepared, PrepareError> {
    let ids = book.assign(&loaded.policy, beside, counted)?;
    let generation = compile(&loaded.policy, &ids)?;
    Ok(Prepared {
        loaded,
        generation,
        book,
        ids,
    })
}

/// What a new policy is made beside.
pub struct Before {
    /// The policy in force.
    pub policy: Arc<Policy>,
    /// Numbers.
    pub book: Book,
    /// The counters.
    pub counted: Vec<Counted>,
    /// What the new policy may revert or be rolled back to, and what that was applied from.
    pub beside: Option<(InForce, String)>,
    /// Who matters now.
    pub host: guard::Host,
}

impl Before {
    /// What the guard says of a policy. A policy in force that no longer compiles takes nothing.
    pub fn ask_guard(&self, prepared: &Prepared) -> Vec<Finding> {
        let Prepared {
            loaded,
            generation,
            ids,
            ..
        } = prepared;
        guard::ask(loaded, generation, ids, Some(&self.policy), &self.host).unwrap_or_else(
            |error| {
                tracing::error!(%error, "the guard cannot compare with the policy in force");
                Vec::new()
            },
        )
    }
}

/// A reload, ready to be put in force.
pub struct Reload {
    /// The policy.
    pub prepared: Prepared,
    /// Whether it is what was applied, with its lists read again: it can still be rolled back.
    pub is_renewed: bool,
    /// What it takes away from whom.
    pub findings: Vec<Finding>,
}

/// Loads the configuration to take the place of the policy in force. Reads files, takes a second
/// for a million prefixes.
///
/// # Errors
/// Why the policy in force stays.
pub fn reload(config: &Path, before: &Before, force: bool) -> Result<Reload, Rejection> {
    let loaded = config::load_regular(config, &HostFacts::read()).map_err(Rejection::Invalid)?;
    let lost = shrunk(&before.policy, &loaded.policy);
    if !force && !lost.is_empty() {
        return Err(Rejection::Shrunk(lost));
    }
    let beside = before.beside.as_ref();
    let beside = beside.filter(|(_, sha256)| *sha256 == text_hash(&loaded));
    let (book, counted) = (before.book.clone(), &before.counted);
    let beside = beside.map(|(beside, _)| beside);
    let prepared = prepare(loaded, book, beside, counted).map_err(Rejection::Capacity)?;
    Ok(Reload {
        findings: before.ask_guard(&prepared),
        prepared,
        is_renewed: beside.is_some(),
    })
}

/// What the text of a configuration hashes to, without its lists.
pub fn text_hash(loaded: &Loaded) -> String {
    let config = loaded.sources.first();
    last_good::sha256(config.iter().map(|source| source.text.as_bytes()))
}

/// What an operator gives to `apply`.
pub struct Candidate {
    /// Its text; relative list paths mean what they will mean in the configured file's folder.
    pub text: String,
    /// Where it comes from, for messages.
    pub file: PathBuf,
    /// Also if peers lose something.
    pub force: bool,
}

/// Loads a candidate as if it were the configured file.
///
/// # Errors
/// Why the policy in force stays.
pub fn candidate(
    candidate: &Candidate,
    config: &Path,
    before: &Before,
) -> Result<(Prepared, Vec<Finding>), Rejection> {
    let bytes = candidate.text.as_bytes();
    let mut loaded = config::load_from(config, bytes, &config::read_bounded, &HostFacts::read())
        .map_err(|mut errors| {
            name_candidate(&mut errors.diagnostics, config, &candidate.file);
            Rejection::Invalid(errors)
        })?;
    name_candidate(&mut loaded.warnings, config, &candidate.file);
    let (book, counted) = (before.book.clone(), &before.counted);
    let beside = before.beside.as_ref().map(|(beside, _)| beside);
    let prepared = prepare(loaded, book, beside, counted).map_err(Rejection::Capacity)?;
    let mut findings = before.ask_guard(&prepared);
    for finding in &mut findings {
        finding.file = Some(candidate.file.clone());
    }
    if !findings.is_empty() && !candidate.force {
        return Err(Rejection::Guarded(findings));
    }
    Ok((prepared, findings))
}

/// What is said of the configured file is said of the candidate.
fn name_candidate(diagnostics: &mut [Diagnostic], config: &Path, candidate: &Path) {
    for diagnostic in diagnostics {
        if diagnostic.file == config {
            diagnostic.file = candidate.to_path_buf();
        }
    }
}
