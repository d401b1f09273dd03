//! A terminal's screen as a page: what a cell looks like is decided by a terminal emulator.

use std::fmt::Write as _;

use vt100::{Cell, Color, Parser};

/// Of a dark terminal: the eight colours, then the eight bright ones.
const COLOURS: [&str; 16] = [
    "#1d2021", "#fb6a5b", "#a9c45a", "#f2c14e", "#7aa6da", "#c397d8", "#6ec9c0", "#d5c4a1",
    "#928374", "#ff8a7d", "#c1d97a", "#ffd97a", "#9cc2ee", "#d8b6e6", "#8fe0d8", "#f5edd6",
];
const GROUND: &str = "#16181a";
const TEXT: &str = "#dcd7c9";

/// The page of a screen with its control sequences, of so many characters and lines.
pub fn page(screen: &str, (columns, lines): (u16, u16)) -> String {
    let mut terminal = Parser::new(lines, columns, 0);
    terminal.process(
        screen
            .trim_end_matches('\n')
            .replace('\n', "\r\n")
            .as_bytes(),
    );
    let mut body = String::new();
    for line in 0..lines {
        for column in 0..columns {
            if let Some(cell) = terminal.screen().cell(line, column) {
                span(&mut body, cell);
            }
        }
        body.push('\n');
    }
    format!(
        "<!doctype html><meta charset=utf-8><title>top</title><style>\
         body {{ margin: 0; background: {GROUND}; width: max-content }}\
         pre {{ margin: 0; padding: 16px; color: {TEXT};\
         font: 16px/20px 'DejaVu Sans Mono', monospace }}</style><pre>{body}</pre>"
    )
}

fn span(body: &mut String, cell: &Cell) {
    let mut colours = [
        colour(cell.fgcolor(), TEXT),
        colour(cell.bgcolor(), "transparent"),
    ];
    if cell.inverse() {
        colours = [GROUND.to_owned(), colour(cell.fgcolor(), TEXT)];
    }
    let [text, ground] = colours;
    let weight = if cell.bold() { 700 } else { 400 };
    let shown = match cell.contents() {
        "" => " ".to_owned(),
        shown => shown.replace('&', "&amp;").replace('<', "&lt;"),
    };
    write!(
        body,
        "<span style='color:{text};background:{ground};font-weight:{weight}'>{shown}</span>"
    )
    .expect("a text takes everything");
}

fn colour(colour: Color, default: &str) -> String {
    match colour {
        Color::Default => default.to_owned(),
        Color::Idx(number) => {
            let known = COLOURS.get(usize::from(number));
            (*known.unwrap_or(&default)).to_owned()
        }
        Color::Rgb(red, green, blue) => format!("#{red:02x}{green:02x}{blue:02x}"),
    }
}
