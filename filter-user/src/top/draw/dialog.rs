//! What is asked of the user, what was done last, and texts that cover the screen.

use super::{Look, put};
use crate::top::app::{App, Mode};
use crate::top::figures::{cut, duration};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, Widget as _};

const KEYS: &str = "q quit  p pause  s sort  f filter  up/down select  b ban  e explain  ? help";

pub(super) fn footer(app: &App, look: Look) -> Line<'static> {
    let (text, style) = match &app.mode {
        Mode::Filter => {
            let text = format!("service: {}_  (Enter keeps it, Esc shows all)", app.filter);
            (text, look.title())
        }
        Mode::Duration {
            source,
            text,
            error,
        } => {
            let error = match error {
                Some(error) => format!("  {error}"),
                None => "  (Enter goes on, Esc leaves it)".to_owned(),
            };
            (format!("ban {source} for: {text}_{error}"), look.title())
        }
        Mode::Confirm {
            source,
            duration: time,
        } => {
            let time = duration(*time);
            let text = format!("ban {source} from all services for {time}? y bans, else not");
            (text, look.alert())
        }
        Mode::Text { .. } => (
            "up/down scroll, any other key closes".to_owned(),
            look.title(),
        ),
        Mode::Normal => match &app.notice {
            Some(notice) => (notice.clone(), look.selected()),
            None => (KEYS.to_owned(), look.title()),
        },
    };
    Line::styled(text, style)
}

/// Over everything but the last line.
pub(super) fn text(app: &App, look: Look, area: Rect, buffer: &mut Buffer) {
    let Mode::Text {
        title,
        lines,
        first,
    } = &app.mode
    else {
        return;
    };
    let area = Rect {
        height: area.height.saturating_sub(1),
        ..area
    };
    Clear.render(area, buffer);
    let block = Block::bordered()
        .title(format!(" {title} "))
        .title_style(look.heading());
    let inner = block.inner(area);
    block.render(area, buffer);
    let width = usize::from(inner.width);
    let shown = lines.iter().skip(*first);
    put(
        buffer,
        inner,
        shown.map(|line| Line::from(cut(line, width))),
    );
}
