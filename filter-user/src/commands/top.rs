//! `top`: the live view; one screen of it with `--once`.

use super::{Failure, ban, explain, print, print_json};
use crate::cli::{ExplainOptions, PathOptions, TopOptions};
use crate::exceptions::{Desk, Kind, Order, Target};
use crate::live::Dropper;
use crate::locations::Locations;
use crate::top::{App, Effect, Feed, Look, News, Screen, draw, plain};
use anyhow::{Context as _, anyhow};
use ratatui::layout::Rect;
use std::net::IpAddr;
use std::sync::mpsc::TryRecvError;
use std::time::{Duration, Instant};

/// How long a key, a reading or a signal may wait at most.
const LOOK: Duration = Duration::from_millis(50);
/// Events are up to a minute old: the view's clock starts before them.
const BEFORE: Duration = Duration::from_secs(120);
/// One screen for scripts: wide enough for full IPv6 addresses and curves, long enough for most.
const ONCE: Rect = Rect::new(0, 0, 100, 60);

pub(super) fn run(options: &TopOptions, paths: &PathOptions) -> Result<(), Failure> {
    let locations = Locations::find(paths, options.pin_path.as_deref());
    // Who names a pin path asks for what is there, not for what some daemon does.
    let ask_daemon = options.pin_path.is_none();
    let start = || Feed::start(locations.clone(), ask_daemon, options.interval);
    let mut view = View {
        app: App::default(),
        origin: Instant::now(),
        readings: 0,
    };
    if options.once {
        view.app.filter = options.service.clone().unwrap_or_default();
        once(&mut view, &start(), options.json)
    } else {
        let mut screen = Screen::open()?;
        Ok(live(&mut view, &start(), &mut screen, &locations)?)
    }
}

struct View {
    app: App,
    origin: Instant,
    readings: u32,
}

impl View {
    fn take(&mut self, news: News) {
        let since = |at: Instant| match at.checked_duration_since(self.origin) {
            Some(later) => BEFORE + later,
            None => BEFORE.saturating_sub(self.origin - at),
        };
        match news {
            News::Reading(reading, at) => {
                self.readings += 1;
                self.app.read(*reading, since(at));
            }
            News::Event(record, at) => {
                let now = since(at);
                self.app.add(*record, now);
            }
            News::NoEvents(why) => self.app.notice = Some(format!("no events: {why}")),
        }
    }
}

/// Two readings: rates are between them.
fn once(view: &mut View, feed: &Feed, json: bool) -> Result<(), Failure> {
    while view.readings < 2 {
        view.take(feed.news.recv().context("nothing is read any more")?);
        if let Some(failure) = &view.app.failure {
            return Err(anyhow!(failure.clone()).into());
        }
    }
    if json {
        return print_json(&view.app.shown.reading);
    }
    print(&plain(&view.app, Look::of_environment(), ONCE))
}

fn live(
    view: &mut View,
    feed: &Feed,
    screen: &mut Screen,
    locations: &Locations,
) -> anyhow::Result<()> {
    let look = Look::of_environment();
    while !screen.is_ending() {
        loop {
            match feed.news.try_recv() {
                Ok(news) => view.take(news),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    return Err(anyhow!("nothing is read any more"));
                }
            }
        }
        screen.draw(|area, buffer| {
            if view.readings > 0 {
                draw(&view.app, look, area, buffer);
            }
        })?;
        let Some(key) = screen.key(LOOK)? else {
            continue;
        };
        match view.app.key(key) {
            None => {}
            Some(Effect::Quit) => break,
            Some(Effect::Ban { source, duration }) => {
                let done = place_ban(locations, source, duration);
                view.app.notice = Some(match done {
                    Ok(said) => said,
                    Err(error) => format!("{source} is NOT banned: {error:#}"),
                });
            }
            Some(Effect::Explain(dropper)) => {
                let text = ask(locations, &dropper);
                let text = text.unwrap_or_else(|error| format!("no answer: {error:#}"));
                view.app.show(&format!("explain {}", dropper.source), &text);
            }
        }
    }
    Ok(())
}

/// As `ban` does without `--force`, from all services.
fn place_ban(locations: &Locations, source: IpAddr, duration: Duration) -> anyhow::Result<String> {
    let target: Target = source.to_string().parse()?;
    let refusals = ban::refusals(locations, None)?;
    if let Some(reason) = refusals.find(target) {
        return Err(anyhow!("{reason}; edge-filter ban --force bans it anyway"));
    }
    let order = Order {
        kind: Kind::Ban,
        service: None,
        duration: Some(duration),
        note: Some("top".parse()?),
        keeps_longer: true,
    };
    let desk = Desk::open(locations)?;
    let change = desk.set(&order, &[target].into())?;
    Ok(format!(
        "{target}: {}",
        ban::summary(&order, &change).trim_end()
    ))
}

/// As `explain` does, about a packet like the newest one of this source.
fn ask(locations: &Locations, dropper: &Dropper) -> anyhow::Result<String> {
    let newest = &dropper.newest;
    let protocol = newest.protocol.as_deref().unwrap_or_default();
    let port = match newest.destination_port {
        Some(port) => format!("{port}/{protocol}"),
        None => protocol.to_owned(),
    };
    let port = port.parse().map_err(|error| {
        anyhow!(
            "the newest event of {} names no port: {error}",
            dropper.source
        )
    })?;
    let options = ExplainOptions {
        src: dropper.source,
        dst: newest.destination,
        port,
        sport: newest.source_port.unwrap_or(50_000),
        flags: None,
        vlan: newest.vlans.clone(),
        device: Some(newest.device.clone()),
        pin_path: None,
        json: false,
    };
    match explain::by_kernel(&options, locations) {
        Ok(explanation) => Ok(explanation.to_string()),
        Err(Failure::Failed(error)) => Err(error),
        Err(Failure::InvalidConfig(_) | Failure::InvalidSaid(_)) => Err(anyhow!(
            "the kept policy cannot be read: edge-filter explain says more"
        )),
    }
}
