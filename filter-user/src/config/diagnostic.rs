//! What is said about a configuration: findings are collected by span while it is read, and
//! become diagnostics, which stand alone, once the text is at hand.

use serde_json::{Value, json};
use std::cell::RefCell;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Bytes of a line that are kept around a place; a line may be a whole file.
const EXCERPT_BYTES: usize = 2000;
/// Findings shown of one configuration; beyond that it is another file than was meant.
const SHOWN_FINDINGS: usize = 200;

/// How grave a diagnostic is; the gravest is the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The configuration cannot be put in force.
    Error,
    /// It can, but the operator should know.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One thing to say, with its place; needs no file to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How grave it is.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// The configuration, or the list file that it is about.
    pub file: PathBuf,
    /// Where in the file; `None` where the file as a whole is meant.
    pub place: Option<Place>,
    /// A second place that belongs to it, as the first of two claims.
    pub also: Option<Place>,
    /// What to do.
    pub help: Option<String>,
}

/// A place in a file, with its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// 1-based.
    pub line: u32,
    /// 1-based, in characters.
    pub column: u32,
    /// Bytes in the file.
    pub span: Range<usize>,
    /// What is to be said at the caret; may be empty.
    pub label: String,
    /// The line, or what lies around the place in a very long one.
    pub excerpt: String,
    /// Bytes in the excerpt.
    pub excerpt_span: Range<usize>,
}

impl Diagnostic {
    /// Stands for what is not shown; as grave as the gravest of it.
    pub(super) fn and_more(file: &Path, unshown: usize, severity: Severity) -> Self {
        Self {
            severity,
            message: format!("and {unshown} more in this file"),
            file: file.to_path_buf(),
            place: None,
            also: None,
            help: None,
        }
    }

    /// For `check --json`.
    pub fn to_json(&self) -> Value {
        let at = |place: &Place| {
            json!({
                "line": place.line,
                "column": place.column,
                "span": [place.span.start, place.span.end],
                "label": place.label,
            })
        };
        json!({
            "severity": self.severity.as_str(),
            "message": self.message,
            "file": self.file.to_string_lossy(),
            "line": self.place.as_ref().map(|p| p.line),
            "column": self.place.as_ref().map(|p| p.column),
            "span": self.place.as_ref().map(|p| [p.span.start, p.span.end]),
            "label": self.place.as_ref().map(|p| &p.label).filter(|l| !l.is_empty()),
            "also": self.also.as_ref().map(at),
            "help": self.help,
        })
    }
}

/// Everything that is wrong with a configuration, in the order of its files, with the warnings.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", super::render::render(.diagnostics, false))]
pub struct Errors {
    /// What is to be said; at least one is an error.
    pub diagnostics: Vec<Diagnostic>,
    /// The configuration and the list files that it names, as far as is known: a change of one
    /// of them is worth another try.
    pub files: Vec<PathBuf>,
}

impl Errors {
    /// A file that cannot be read.
    pub fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        Self::about_file(Diagnostic {
            severity: Severity::Error,
            message: format!("cannot read the configuration {}: {error}", path.display()),
            file: path.to_path_buf(),
            place: None,
            also: None,
            help: None,
        })
    }

    /// A file that is no text.
    pub(super) fn about_file(diagnostic: Diagnostic) -> Self {
        Self {
            files: vec![diagnostic.file.clone()],
            diagnostics: vec![diagnostic],
        }
    }
}

/// A diagnostic while its text is still at hand.
#[derive(Debug)]
pub(super) struct Finding {
    severity: Severity,
    span: Range<usize>,
    message: String,
    label: String,
    help: Option<String>,
    also: Option<(Range<usize>, String)>,
}

impl Finding {
    pub(super) fn error(span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            span,
            message: message.into(),
            label: String::new(),
            help: None,
            also: None,
        }
    }

    pub(super) fn warning(span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(span, message)
        }
    }

    /// Words at the caret.
    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// What to do; nothing is said where there is nothing to say.
    pub(super) fn help(mut self, help: impl Into<Option<String>>) -> Self {
        self.help = help.into();
        self
    }

    /// A second place.
    pub(super) fn also(mut self, span: Range<usize>, label: impl Into<String>) -> Self {
        self.also = Some((span, label.into()));
        self
    }

    pub(super) fn resolve(self, file: &Path, text: &str) -> Diagnostic {
        Diagnostic {
            severity: self.severity,
            message: self.message,
            file: file.to_path_buf(),
            place: Some(place(text, self.span, self.label)),
            also: self.also.map(|(span, label)| place(text, span, label)),
            help: self.help,
        }
    }
}

/// What was found so far. Shared by all readers, hence the cell.
#[derive(Debug, Default)]
pub(super) struct Findings(RefCell<Vec<Finding>>);

impl Findings {
    pub(super) fn push(&self, finding: Finding) {
        self.0.borrow_mut().push(finding);
    }

    pub(super) fn has_errors(&self) -> bool {
        let findings = self.0.borrow();
        findings.iter().any(|f| f.severity == Severity::Error)
    }

    /// In the order of the text. Where that is too many, warnings give way to errors.
    pub(super) fn into_diagnostics(self, file: &Path, text: &str) -> Vec<Diagnostic> {
        let mut findings = self.0.into_inner();
        findings.sort_by_key(|f| (f.severity, f.span.start));
        let unshown = findings.len().saturating_sub(SHOWN_FINDINGS);
        let gravest_unshown = findings.get(SHOWN_FINDINGS).map(|f| f.severity);
        findings.truncate(SHOWN_FINDINGS);
        findings.sort_by_key(|f| f.span.start);
        let shown = findings.into_iter();
        let mut diagnostics: Vec<_> = shown.map(|finding| finding.resolve(file, text)).collect();
        let more = gravest_unshown.map(|severity| Diagnostic::and_more(file, unshown, severity));
        diagnostics.extend(more);
        diagnostics
    }
}

/// 1-based line of a byte.
pub(super) fn line_of(text: &str, offset: usize) -> u32 {
    let before = text.bytes().take(offset);
    let newlines = before.filter(|byte| *byte == b'\n').count();
    u32::try_from(newlines + 1).unwrap_or(u32::MAX)
}

fn place(text: &str, span: Range<usize>, label: String) -> Place {
    let start = text.floor_char_boundary(span.start.min(text.len()));
    let end = text.ceil_char_boundary(span.end.clamp(start, text.len()));
    let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |n| start + n);
    let column = text[line_start..start]
        .trim_start_matches('\u{feff}')
        .chars()
        .count();

    // The line, unless it is endless; without what would not be shown.
    let mut from = line_start.max(text.ceil_char_boundary(start.saturating_sub(EXCERPT_BYTES)));
    if text[from..start].starts_with('\u{feff}') {
        from += '\u{feff}'.len_utf8();
    }
    let to = line_end.min(text.floor_char_boundary(start.saturating_add(EXCERPT_BYTES)));
    let excerpt = text[from..to].trim_end_matches('\r');
    let shown = |offset: usize| (offset.clamp(from, to) - from).min(excerpt.len());
    Place {
        line: line_of(text, start),
        column: u32::try_from(column + 1).unwrap_or(u32::MAX),
        span: start..end,
        label,
        excerpt_span: shown(start)..shown(end),
        excerpt: excerpt.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(warnings: usize, errors: usize) -> Vec<(Severity, Option<usize>)> {
        let text = "x".repeat(warnings + errors);
        let findings = Findings::default();
        for at in 0..warnings {
            findings.push(Finding::warning(at..at + 1, "odd"));
        }
        for at in warnings..warnings + errors {
            findings.push(Finding::error(at..at + 1, "wrong"));
        }
        let diagnostics = findings.into_diagnostics(Path::new("c.toml"), &text);
        let at = |d: Diagnostic| (d.severity, d.place.map(|place| place.span.start));
        diagnostics.into_iter().map(at).collect()
    }

    #[test]
    fn warnings_do_not_push_an_error_out_and_places_stay_in_order() {
        let shown = shown(300, 2);
        let warnings = (0..198).map(|at| (Severity::Warning, Some(at)));
        let errors = [300, 301].map(|at| (Severity::Error, Some(at)));
        let more = [(Severity::Warning, None)];
        let expected: Vec<_> = warnings.chain(errors).chain(more).collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_is_not_shown_is_as_grave_as_its_gravest() {
        assert_eq!(shown(201, 0).last(), Some(&(Severity::Warning, None)));
        assert_eq!(shown(1, 201).last(), Some(&(Severity::Error, None)));
        assert_eq!(shown(1, 200).last(), Some(&(Severity::Warning, None)));
        assert_eq!(shown(100, 100).len(), 200);
    }
}
