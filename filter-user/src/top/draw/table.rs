//! The two tables: what is counted, and who is dropped most.

use super::Look;
use crate::live;
use crate::top::app::App;
use crate::top::figures::{curve, cut, number};
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

/// Characters of a curve.
const CURVE: std::ops::RangeInclusive<usize> = 8..=live::HISTORY;
/// Title and head.
const HEADS: usize = 1;

pub(super) fn counters(app: &App, look: Look, area: Rect) -> Vec<Line<'static>> {
    let lines = app.lines();
    let room = usize::from(area.height).saturating_sub(HEADS);
    let fixed = row(["", "", "", "", "", ""]).len();
    let width = usize::from(area.width).saturating_sub(fixed + 1);
    let width = width.clamp(*CURVE.start(), *CURVE.end());
    let head = row([
        "service", "action", "reason", "pkts/s", "bytes/s", "packets",
    ]);
    let about = match app.filter.is_empty() {
        true => format!("by {}", app.sort.label()),
        false => format!("by {}, /{}", app.sort.label(), app.filter),
    };
    let head = Line::styled(format!("{head} {}", cut(&about, width)), look.heading());
    let hidden = lines.len().saturating_sub(room);
    let shown = if hidden > 0 {
        room.saturating_sub(1)
    } else {
        room
    };
    let mut rows = vec![head];
    rows.extend(lines.iter().take(shown).map(|line| {
        let counter = &line.counter;
        let text = row([
            &counter.service,
            counter.action,
            counter.reason,
            &number(line.packets_per_second),
            &number(line.bytes_per_second),
            &number(counter.packets as f64),
        ]);
        let history: Vec<_> = line.history.iter().copied().collect();
        let curve = curve(&history, width, look.is_unicode);
        Line::from(vec![
            Span::raw(format!("{text} ")),
            Span::styled(curve, look.action(counter.action)),
        ])
    }));
    if hidden > 0 {
        rows.push(Line::from(format!(
            "  and {} more; f finds one",
            hidden + 1
        )));
    }
    if lines.is_empty() {
        rows.push(Line::from("nothing is counted yet"));
    }
    rows
}

fn row(cells: [&str; 6]) -> String {
    let [service, action, reason, packets, bytes, all] = cells;
    let service = cut(service, 14);
    format!("{service:<14} {action:<10} {reason:<15} {packets:>7} {bytes:>7} {all:>7}")
}

pub(super) fn sources(app: &App, look: Look, area: Rect) -> Vec<Line<'static>> {
    let head = source_row("dropped most of late", "service", "reason", "evts/s");
    let mut rows = vec![Line::styled(format!("  {head}"), look.heading())];
    let sources = app.sources();
    if sources.is_empty() {
        let why = match app.shown.reading.status.daemon {
            Some(_) => "  nobody, as far as events tell",
            None => "  not known: events come from the daemon",
        };
        rows.push(Line::from(why));
        return rows;
    }
    let room = usize::from(area.height).saturating_sub(HEADS).max(1);
    let selected = app.selected();
    // The selected one is always seen.
    let first = selected.saturating_sub(room - 1);
    let shown = sources.iter().enumerate().skip(first).take(room);
    rows.extend(shown.map(|(n, dropper)| {
        let text = source_row(
            &dropper.source.to_string(),
            &dropper.newest.service,
            &dropper.newest.reason,
            &number(dropper.events_per_second),
        );
        match n == selected {
            true => Line::styled(format!("> {text}"), look.selected()),
            false => Line::from(format!("  {text}")),
        }
    }));
    rows
}

fn source_row(source: &str, service: &str, reason: &str, rate: &str) -> String {
    let service = cut(service, 14);
    format!("{source:<39} {service:<14} {reason:<15} {rate:>6}")
}
