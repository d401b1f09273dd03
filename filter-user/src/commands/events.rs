//! `events`: what the daemon knows of sampled packets, or all that come from now on.

use super::Failure;
use crate::cli::{EventOptions, PathOptions};
use crate::control::{self, Request};
use crate::events::{Filter, Line};
use crate::locations::Locations;
use anyhow::{Context as _, anyhow};
use std::io::{self, BufRead, Write};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// The newest events are in the daemon's memory: it answers at once, or hangs.
const LIMIT: Duration = Duration::from_secs(10);

pub(super) fn run(options: &EventOptions, paths: &PathOptions) -> Result<(), Failure> {
    let socket = Locations::find(paths, None).control_socket;
    let follow = options.follow;
    if follow {
        end_at_interrupt().context("SIGINT")?;
    }
    let limit = (!follow).then_some(LIMIT);
    let lines = control::open(&socket, &Request::Events { follow }, limit)
        .map_err(anyhow::Error::from)
        .context("events come from the daemon; without one, see edge-filter counters")?;
    let filter = Filter {
        service: options.service.clone(),
        reason: options.reason.clone(),
        source: options.source,
    };
    let lines = lines.lines().map(|line| {
        let line = line.context("the daemon does not answer")?;
        let not_understood = "the daemon's answer is not understood; restart it after an upgrade";
        serde_json::from_str(&line).context(not_understood)
    });
    let is_whole = show(lines, &filter, options.json, &mut io::stdout().lock())?;
    if follow && !is_whole {
        return Err(anyhow!("the daemon has ended").into());
    }
    Ok(())
}

/// Prints lines as they come. `false` if they end by themselves, `true` if nobody reads on.
fn show(
    lines: impl Iterator<Item = anyhow::Result<Line>>,
    filter: &Filter,
    json: bool,
    output: &mut impl Write,
) -> anyhow::Result<bool> {
    for line in lines {
        let Some(line) = filter.apply(line?) else {
            continue;
        };
        let text = match &line {
            Line::Refused(refusal) => return Err(anyhow!(refusal.message.clone())),
            Line::Totals(totals) => {
                eprintln!("{totals}");
                continue;
            }
            Line::Event(record) if json => serde_json::to_string(record)?,
            Line::Lost(loss) if json => serde_json::to_string(loss)?,
            Line::Event(record) => record.to_string(),
            Line::Lost(loss) => loss.to_string(),
        };
        let written = writeln!(output, "{text}").and_then(|()| output.flush());
        match written {
            // A reader that went away, as `head` does, is no failure.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(true),
            result => result.context("stdout")?,
        }
    }
    Ok(false)
}

/// Ctrl-C is how following ends: status 0, even while nobody reads what is printed.
fn end_at_interrupt() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut interrupt = {
        let _inside = runtime.enter();
        signal(SignalKind::interrupt())?
    };
    std::thread::spawn(move || {
        runtime.block_on(interrupt.recv());
        std::process::exit(0);
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::{Refusal, RefusalKind};
    use crate::events::{Cause, Loss, Totals};

    struct Gone;

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn loss() -> Line {
        Line::Lost(Loss {
            lost: 3,
            cause: Cause::SlowFollower,
            by_reason: Default::default(),
        })
    }

    #[test]
    fn lines_are_printed_and_totals_are_not_data() {
        let totals = Line::Totals(Totals::default());
        let mut output = Vec::new();
        let lines = [Ok(totals), Ok(loss())].into_iter();
        let is_whole = show(lines, &Filter::default(), true, &mut output).unwrap();
        assert!(!is_whole);
        let text = String::from_utf8(output).unwrap();
        assert_eq!(text, "{\"lost\":3,\"cause\":\"slow_follower\"}\n");
    }

    #[test]
    fn a_reader_that_goes_is_no_failure_and_a_refusal_is_one() {
        let lines = || [Ok(loss()), Ok(loss())].into_iter();
        assert!(show(lines(), &Filter::default(), false, &mut Gone).unwrap());
        let refusal = Refusal::new(RefusalKind::Failed, "no place");
        let lines = [Ok(Line::Refused(refusal))].into_iter();
        let error = show(lines, &Filter::default(), false, &mut Gone).unwrap_err();
        assert_eq!(error.to_string(), "no place");
    }
}
