//! Screens of 80 by 24, and what keys do, without a terminal and without a clock.

use super::{App, Effect, Look, Mode, draw, plain};
use crate::events::Record;
use crate::live::{Ban, Counter, Events, Reading};
use crate::report::{
    ApplyStatus, DaemonStatus, ExceptionsStatus, InterfaceStatus, PolicyStatus, SourcesStatus,
    Status,
};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::layout::Rect;
use ratatui::style::Color;
use std::time::Duration;

const LOOK: Look = Look {
    is_coloured: false,
    is_unicode: true,
};
/// 2026-11-24T03:11:11Z.
const NOW: u64 = 1_795_489_871;

fn reading(seconds: u64) -> Reading {
    let counter = |service: &str, action, reason, packets: u64| Counter {
        service: service.into(),
        action,
        reason,
        packets,
        bytes: packets * 60,
    };
    let interface = |device: &str, mode: &str| InterfaceStatus {
        device: device.into(),
        is_configured: true,
        is_present: true,
        mode: mode.into(),
        ..InterfaceStatus::default()
    };
    Reading {
        at_unix_ms: (NOW + seconds) * 1000,
        status: Status {
            version: "0.1.0".into(),
            daemon: Some(DaemonStatus {
                pid: 4321,
                uptime_seconds: 7380 + seconds,
                ..DaemonStatus::default()
            }),
            policy: Some(PolicyStatus {
                generation: 7,
                applied_at: Some(NOW - 200),
                ..PolicyStatus::default()
            }),
            interfaces: vec![interface("eth0", "native"), interface("eth1", "generic")],
            sources: Some(SourcesStatus {
                connections: 120,
                packets: 80,
                capacity: 1_048_576,
            }),
            exceptions: Some(ExceptionsStatus { bans: 2, allows: 1 }),
            ..Status::default()
        },
        counters: vec![
            counter("api", "pass", "allowed", 1000 + seconds * 1200),
            counter("api", "drop", "not_allowed", 50 + seconds * seconds * 10),
            counter("dns", "would_drop", "connection_rate", 5 * seconds),
            counter("-", "pass", "icmp", 12),
        ],
        evictions: 3,
        events: Events { sent: 640, lost: 7 },
        newest_bans: vec![Ban {
            address: "203.0.113.9".into(),
            service: None,
            seconds_left: Some(3540),
            note: None,
        }],
        problems: Vec::new(),
    }
}

fn event(source: &str, service: &str) -> Record {
    Record {
        time: String::new(),
        device: "eth0".into(),
        interface_index: 2,
        action: "drop".into(),
        reason: "not_allowed".into(),
        service: service.into(),
        source: Some(source.parse().expect("an address")),
        source_port: Some(40_000),
        destination: None,
        destination_port: Some(443),
        protocol: Some("tcp".into()),
        tcp_flags: Some("SYN".into()),
        vlans: vec![],
        packet_length: 60,
        generation: 7,
    }
}

/// After five seconds of traffic.
fn app() -> App {
    let mut app = App::default();
    for second in 0..=5 {
        let now = Duration::from_secs(second);
        for _ in 0..4 {
            app.add(event("203.0.113.7", "api"), now);
        }
        app.add(event("2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff", "dns"), now);
        app.read(Ok(reading(second)), now);
    }
    app
}

fn screen(app: &App) -> String {
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).expect("it is memory");
    let drawn = terminal.draw(|frame| draw(app, LOOK, frame.area(), frame.buffer_mut()));
    drawn.expect("it is memory");
    terminal.backend().to_string()
}

fn press(app: &mut App, keys: &str) -> Option<Effect> {
    let mut effect = None;
    for c in keys.chars() {
        let code = match c {
            '\n' => KeyCode::Enter,
            '\u{1b}' => KeyCode::Esc,
            '\u{8}' => KeyCode::Backspace,
            c => KeyCode::Char(c),
        };
        effect = app.key(KeyEvent::new(code, KeyModifiers::NONE));
    }
    effect
}

#[test]
fn everything_is_on_one_screen() {
    insta::assert_snapshot!(screen(&app()));
}

#[test]
fn without_a_daemon_the_header_says_where_the_numbers_are_from() {
    let mut app = App::default();
    let mut reading = reading(0);
    reading.status.daemon = None;
    reading.status.bypass_seconds_left = Some(540);
    reading.status.apply = Some(ApplyStatus {
        candidate: "/tmp/new.toml".into(),
        stage: "pending".into(),
        at: NOW + 100,
    });
    reading.status.interfaces[1].mode = "none".into();
    app.read(Ok(reading), Duration::ZERO);
    insta::assert_snapshot!(screen(&app));
}

#[test]
fn a_reading_that_fails_leaves_the_last_numbers_and_says_so() {
    let mut app = app();
    app.read(
        Err("COUNTS: reading it: EIO".into()),
        Duration::from_secs(6),
    );
    let screen = screen(&app);
    assert!(screen.contains("NOT READ: COUNTS"), "{screen}");
    assert!(screen.contains("not_allowed"), "{screen}");
}

#[test]
fn nothing_pinned_is_said_in_capitals() {
    let mut app = App::default();
    app.read(Ok(Reading::default()), Duration::ZERO);
    let screen = screen(&app);
    assert!(screen.contains("NOTHING IS FILTERED"), "{screen}");
}

#[test]
fn a_small_terminal_is_told_what_is_needed() {
    let text = plain(&app(), LOOK, Rect::new(0, 0, 60, 20));
    assert_eq!(text, "80x24 is needed, this is 60x20\n");
}

#[test]
fn no_size_of_the_terminal_is_too_much() {
    for (width, height) in [(0, 0), (1, 1), (79, 24), (80, 24), (81, 60), (400, 100)] {
        let mut app = app();
        for keys in ["", "?", "xf", "\nb"] {
            press(&mut app, keys);
            plain(&app, LOOK, Rect::new(0, 0, width, height));
        }
    }
}

#[test]
fn colour_is_used_only_where_it_may_be() {
    for is_coloured in [false, true] {
        let look = Look {
            is_coloured,
            ..LOOK
        };
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).expect("it is memory");
        let drawn = terminal.draw(|frame| draw(&app(), look, frame.area(), frame.buffer_mut()));
        drawn.expect("it is memory");
        let mut cells = terminal.backend().buffer().content().iter();
        let found = cells.any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset);
        assert_eq!(found, is_coloured);
    }
}

#[test]
fn a_ban_needs_a_duration_and_a_yes() {
    let mut app = app();
    assert_eq!(press(&mut app, "b\u{8}\u{8}30m\n"), None);
    let shown = screen(&app);
    assert!(
        shown.contains("ban 203.0.113.7 from all services for 30m?"),
        "{shown}"
    );
    let ban = Effect::Ban {
        source: "203.0.113.7".parse().expect("an address"),
        duration: Duration::from_secs(1800),
    };
    assert_eq!(press(&mut app, "y"), Some(ban));

    for keys in ["b\nn", "b\n\n", "b\u{1b}", "b\n\u{1b}"] {
        assert_eq!(press(&mut app, keys), None, "{keys:?}");
        assert_eq!(app.mode, Mode::Normal);
        assert_eq!(app.notice.as_deref(), Some("203.0.113.7 is not banned"));
    }
    // A wrong duration stays in hand.
    assert_eq!(press(&mut app, "b\u{8}\u{8}soon\n"), None);
    assert!(matches!(&app.mode, Mode::Duration { error: Some(_), .. }));
}

#[test]
fn the_selection_stays_with_its_source() {
    let mut app = app();
    let selected = |app: &App| app.selected_source().map(|d| d.source.to_string());
    assert_eq!(selected(&app).as_deref(), Some("203.0.113.7"));
    press(&mut app, "jjj");
    let other = "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff";
    assert_eq!(selected(&app).as_deref(), Some(other));
    for _ in 0..90 {
        app.add(event(other, "dns"), Duration::from_secs(6));
    }
    app.read(Ok(reading(6)), Duration::from_secs(6));
    assert_eq!(
        (app.selected(), selected(&app).as_deref()),
        (0, Some(other))
    );
    let effect = press(&mut app, "e");
    assert!(matches!(effect, Some(Effect::Explain(d)) if d.source.to_string() == other));
}

#[test]
fn the_screen_stands_still_while_counting_goes_on() {
    let mut app = app();
    press(&mut app, "p");
    let before = screen(&app);
    assert!(before.contains("PAUSED"), "{before}");
    app.read(Ok(reading(6)), Duration::from_secs(6));
    assert_eq!(screen(&app), before);
    press(&mut app, "p");
    let lines = app.lines();
    let drops = lines.iter().find(|line| line.counter.action == "drop");
    assert_eq!(drops.map(|line| line.packets_per_second), Some(110.0));
}

#[test]
fn a_filter_holds_for_both_tables_until_it_is_lifted() {
    let mut app = app();
    press(&mut app, "/dns\n");
    assert_eq!(app.lines().len(), 1);
    assert_eq!(app.sources().len(), 1);
    press(&mut app, "\u{1b}");
    assert_eq!(app.lines().len(), 4);
    // What is typed into the filter is no command.
    assert_eq!(press(&mut app, "fq"), None);
}

#[test]
fn there_are_two_ways_out() {
    let mut app = app();
    assert_eq!(press(&mut app, "q"), Some(Effect::Quit));
    press(&mut app, "b");
    let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(app.key(interrupt), Some(Effect::Quit));
}

#[test]
fn help_covers_the_screen_until_a_key() {
    let mut app = app();
    press(&mut app, "?");
    insta::assert_snapshot!(screen(&app));
    press(&mut app, "x");
    assert_eq!(app.mode, Mode::Normal);
}
