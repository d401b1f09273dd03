//! Diagnostics as people read them: the line, a caret, what to do.

use super::diagnostic::{Diagnostic, Place, Severity};
use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use std::io::IsTerminal;
use std::path::Path;

/// Whether stderr takes colours: a terminal, and `NO_COLOR` is not set (no-color.org).
pub fn use_color() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// All of them, a blank line between two.
pub fn render(diagnostics: &[Diagnostic], color: bool) -> String {
    let renderer = if color {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let rendered: Vec<String> = diagnostics
        .iter()
        .map(|diagnostic| render_one(diagnostic, &renderer))
        .collect();
    rendered.join("\n\n")
}

fn render_one(diagnostic: &Diagnostic, renderer: &Renderer) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let file = file_name(&diagnostic.file);
    let mut group = Group::with_title(level.primary_title(diagnostic.message.as_str()));
    if let Some(place) = &diagnostic.place {
        let primary = annotation(place, AnnotationKind::Primary);
        let also = diagnostic.also.as_ref();
        group = match also.map(|also| (also, annotation(also, AnnotationKind::Context))) {
            Some((also, second)) if also.line == place.line && also.excerpt == place.excerpt => {
                group.element(snippet(place, &file).annotations([primary, second]))
            }
            Some((also, second)) => group
                .elements(origin(place, &file))
                .element(snippet(place, &file).annotation(primary))
                .element(snippet(also, &file).annotation(second)),
            None => group
                .elements(origin(place, &file))
                .element(snippet(place, &file).annotation(primary)),
        };
    } else {
        group = group.element(Origin::path(file));
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    renderer.render(&[group])
}

/// The place in so many words, where the excerpt of a very long line would have it count wrong.
fn origin(place: &Place, file: &str) -> Option<Origin<'static>> {
    is_cut(place).then(|| {
        Origin::path(file.to_owned())
            .line(place.line as usize)
            .char_column(place.column as usize)
    })
}

fn snippet<'a>(place: &'a Place, file: &str) -> Snippet<'a, Annotation<'a>> {
    let path = (!is_cut(place)).then(|| file.to_owned());
    Snippet::source(without_c1(&place.excerpt))
        .line_start(place.line as usize)
        .path(path)
}

/// The renderer shows the other control characters as pictures, but lets those of C1 through, of
/// which terminals obey some: U+009B begins an escape sequence. What stands for them is as many
/// bytes long, so that spans still hold.
fn without_c1(text: &str) -> String {
    text.replace(|c| matches!(c, '\u{80}'..='\u{9f}'), "\u{b7}")
}

fn is_cut(place: &Place) -> bool {
    let before = &place.excerpt[..place.excerpt_span.start];
    before.chars().count() + 1 != place.column as usize
}

fn annotation(place: &Place, kind: AnnotationKind) -> Annotation<'_> {
    let label = Some(place.label.as_str()).filter(|label| !label.is_empty());
    kind.span(place.excerpt_span.clone()).label(label)
}

/// A path without what a terminal would obey.
fn file_name(path: &Path) -> String {
    let name = path.to_string_lossy();
    name.chars()
        .flat_map(|c| {
            let escaped = c.is_control().then(|| c.escape_default());
            let plain = escaped.is_none().then_some(c);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}
