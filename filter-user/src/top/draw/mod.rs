//! The screen, top to bottom: state, totals, the table, sources, keys. Changes nothing, and says
//! nothing by colour alone.

mod dialog;
mod header;
mod look;
mod table;

pub use look::Look;

use super::app::{App, Mode};
use super::figures::cut;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::Line;

/// What everything has room in.
const SMALLEST: (u16, u16) = (80, 24);

/// Draws `app` into `area`.
pub fn draw(app: &App, look: Look, area: Rect, buffer: &mut Buffer) {
    let (width, height) = SMALLEST;
    if area.width < width || area.height < height {
        let text = format!(
            "{width}x{height} is needed, this is {}x{}",
            area.width, area.height
        );
        put(buffer, area, [Line::from(cut(&text, area.width.into()))]);
        return;
    }
    let [header, table, sources, footer] = Layout::vertical([
        Constraint::Length(header::HEIGHT),
        Constraint::Fill(3),
        Constraint::Fill(2),
        Constraint::Length(1),
    ])
    .areas(area);
    put(
        buffer,
        header,
        header::lines(app, look, header.width.into()),
    );
    put(buffer, table, table::counters(app, look, table));
    put(buffer, sources, table::sources(app, look, sources));
    put(buffer, footer, [dialog::footer(app, look)]);
    if let Mode::Text { .. } = app.mode {
        dialog::text(app, look, area, buffer);
    }
}

/// One screen as plain text, without the line of keys.
pub fn plain(app: &App, look: Look, area: Rect) -> String {
    let mut buffer = Buffer::empty(area);
    draw(app, look, area, &mut buffer);
    let rows = (area.top()..area.bottom().saturating_sub(1)).map(|y| {
        let cells = (area.left()..area.right()).map(|x| buffer[(x, y)].symbol());
        cells.collect::<String>().trim_end().to_owned()
    });
    let text = rows.collect::<Vec<_>>().join("\n");
    format!("{}\n", text.trim_end())
}

/// Lines below each other, as far as there is room.
fn put<'a>(buffer: &mut Buffer, area: Rect, lines: impl IntoIterator<Item = Line<'a>>) {
    for (line, y) in lines.into_iter().zip(area.top()..area.bottom()) {
        buffer.set_line(area.x, y, &line, area.width);
        // A style of the whole line reaches to the edge.
        if line.style != Style::default() {
            buffer.set_style(Rect::new(area.x, y, area.width, 1), line.style);
        }
    }
}
