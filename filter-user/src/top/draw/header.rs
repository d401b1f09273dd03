//! What is in force, on what, and how much goes through.

use super::Look;
use crate::live::Reading;
use crate::report::Status;
use crate::top::app::App;
use crate::top::figures::{curve, cut, number, time};
use ratatui::text::{Line, Span};

/// Lines of the header.
pub(super) const HEIGHT: u16 = 6;
/// Intervals of the three curves.
const CURVE: usize = 12;

pub(super) fn lines(app: &App, look: Look, width: usize) -> Vec<Line<'static>> {
    let reading = &app.shown.reading;
    vec![
        title(app, width).style(look.title()),
        policy(reading, look),
        interfaces(&reading.status, look, width),
        totals(app, look),
        memory(reading),
        bans(app, look, width),
    ]
}

fn title(app: &App, width: usize) -> Line<'static> {
    let status = &app.shown.reading.status;
    let daemon = match &status.daemon {
        Some(daemon) => format!(
            "daemon pid {}, up {}",
            daemon.pid,
            time(daemon.uptime_seconds)
        ),
        None => "daemon NOT RUNNING: from the pinned maps".to_owned(),
    };
    let left = format!("edge-filter {}  {daemon}", status.version);
    let right = match app.is_paused {
        true => "PAUSED".to_owned(),
        false => {
            let seconds = app.shown.reading.at_unix_ms / 1000;
            format!(
                "{:02}:{:02}:{:02}Z",
                seconds / 3600 % 24,
                seconds / 60 % 60,
                seconds % 60
            )
        }
    };
    let room = width.saturating_sub(right.len() + 1);
    Line::from(format!("{:<room$} {right}", cut(&left, room)))
}

fn policy(reading: &Reading, look: Look) -> Line<'static> {
    let status = &reading.status;
    let now = reading.at_unix_ms / 1000;
    let Some(policy) = &status.policy else {
        return Line::styled("no policy is in force: NOTHING IS FILTERED", look.alert());
    };
    let mut spans = vec![Span::raw(format!("generation {}", policy.generation))];
    if let Some(at) = policy.applied_at {
        let age = time(now.saturating_sub(at));
        spans.push(Span::raw(format!(", in force for {age}")));
    }
    let mut alert = |text: String| {
        spans.push(Span::raw("  "));
        spans.push(Span::styled(text, look.alert()));
    };
    if let Some(left) = status.bypass_seconds_left {
        alert(format!("BYPASS: all passes for {}", time(left)));
    }
    if let Some(apply) = status.apply.as_ref().filter(|a| a.stage == "pending") {
        let left = time(apply.at.saturating_sub(now));
        alert(format!("APPLY PENDING: reverts in {left}"));
    }
    if policy.is_fallback {
        alert("THE LAST GOOD POLICY: the file is invalid".to_owned());
    }
    Line::from(spans)
}

fn interfaces(status: &Status, look: Look, width: usize) -> Line<'static> {
    let mut spans = Vec::new();
    let mut used = 0;
    for (n, interface) in status.interfaces.iter().enumerate() {
        let is_filtered = interface.mode != "none";
        let mode = match (is_filtered, interface.is_present) {
            (true, _) => &interface.mode[..],
            (false, true) => "NOT FILTERED",
            (false, false) => "NOT THERE",
        };
        let text = format!("{} {mode}  ", interface.device);
        let rest = format!("and {} more", status.interfaces.len() - n);
        used += text.chars().count();
        if used + rest.len() > width {
            spans.push(Span::raw(rest));
            break;
        }
        let style = if is_filtered {
            Default::default()
        } else {
            look.alert()
        };
        spans.push(Span::styled(text, style));
    }
    if spans.is_empty() {
        spans.push(Span::raw("no interfaces"));
    }
    Line::from(spans)
}

fn totals(app: &App, look: Look) -> Line<'static> {
    let mut spans = Vec::new();
    for action in ["pass", "drop", "would_drop"] {
        let rates = app.shown.rates.of_action(action);
        let now = number(rates.last().copied().unwrap_or(0.0));
        let text = format!("{action} {now}/s ");
        let curve = curve(&rates, CURVE, look.is_unicode);
        spans.push(Span::styled(text, look.action(action)));
        spans.push(Span::styled(format!("{curve}  "), look.action(action)));
    }
    Line::from(spans)
}

fn memory(reading: &Reading) -> Line<'static> {
    let status = &reading.status;
    let sources = status.sources.clone().unwrap_or_default();
    let exceptions = status.exceptions.clone().unwrap_or_default();
    let of = |value: u64| number(value as f64);
    Line::from(format!(
        "sources {} of {}  evictions {}  events {}, {} lost  bans {}  allows {}",
        of(sources.connections.max(sources.packets)),
        of(sources.capacity),
        of(reading.evictions),
        of(reading.events.sent),
        of(reading.events.lost),
        exceptions.bans,
        exceptions.allows,
    ))
}

/// What is wrong, else the newest bans.
fn bans(app: &App, look: Look, width: usize) -> Line<'static> {
    let reading = &app.shown.reading;
    let problem = app.failure.as_ref().map(|f| format!("NOT READ: {f}"));
    if let Some(problem) = problem.or_else(|| reading.problems.first().cloned()) {
        return Line::styled(cut(&problem, width), look.alert());
    }
    let bans = reading.newest_bans.iter().map(|ban| {
        let left = ban.seconds_left.map_or("for good".to_owned(), time);
        let service = ban.service.as_ref();
        let service = service.map_or(String::new(), |name| format!(" from {name}"));
        format!("{}{service} ({left})", ban.address)
    });
    let bans: Vec<_> = bans.collect();
    Line::from(match bans.is_empty() {
        true => "newest bans: none".to_owned(),
        false => cut(&format!("newest bans: {}", bans.join(", ")), width),
    })
}
