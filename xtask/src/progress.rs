//! How far long work is, for people: a bar below the lines on a terminal, the lines alone elsewhere.
//! On stderr, so that data on stdout stays clean. It must never draw while another program has the
//! terminal: cargo has a bar of its own.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Often enough to be seen to move.
const TICK: Duration = Duration::from_millis(100);
const COUNTED: &str = "xtask: {prefix} {pos}/{len} {bar:20} {elapsed_precise} {wide_msg}";
const UNCOUNTED: &str = "xtask: {prefix} {spinner} {elapsed_precise} {wide_msg}";

/// There is one terminal, so there is one bar; nothing is seen of it between two parts.
static BAR: LazyLock<ProgressBar> = LazyLock::new(|| {
    let bar = ProgressBar::no_length();
    bar.finish_and_clear();
    bar
});
/// Of the part that is under way: how many of its steps have begun.
static BEGUN: AtomicUsize = AtomicUsize::new(0);

/// A part of the work is under way until this is dropped.
#[must_use]
pub struct Part(());

impl Drop for Part {
    fn drop(&mut self) {
        BAR.finish_and_clear();
    }
}

/// Begins a part, of so many steps where that is known. Parts follow each other.
pub fn begin(part: &'static str, steps: Option<usize>) -> Part {
    let template = if steps.is_some() { COUNTED } else { UNCOUNTED };
    // The texts are ours; were one wrong, the plain bar would do.
    if let Ok(style) = ProgressStyle::with_template(template) {
        BAR.set_style(style);
    }
    match steps {
        Some(steps) => BAR.set_length(steps as u64),
        None => BAR.unset_length(),
    }
    BEGUN.store(0, Ordering::Relaxed);
    BAR.set_prefix(part);
    BAR.set_message("");
    BAR.reset();
    if !BAR.is_hidden() {
        BAR.enable_steady_tick(TICK);
    }
    Part(())
}

/// The part's next step begins.
pub fn step(what: &str) {
    let number = BEGUN.fetch_add(1, Ordering::Relaxed) + 1;
    let part = match BAR.length() {
        Some(steps) => format!("{} {number}/{steps}", BAR.prefix()),
        None => BAR.prefix(),
    };
    BAR.reset_elapsed();
    BAR.set_position(number as u64);
    say(&format!("{part}: {what}"));
}

/// Tells what is being done now; the time on the bar is that of what was told last.
pub fn say(what: &str) {
    BAR.set_message("");
    BAR.reset_elapsed();
    suspend(|| eprintln!("xtask: {what}"));
}

/// What the step is at, where somebody watches.
pub fn detail(what: String) {
    BAR.set_message(what);
}

/// Without the bar, for what writes to the terminal itself. It must not say anything by this module.
pub fn suspend<T>(write: impl FnOnce() -> T) -> T {
    BAR.suspend(write)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::{begin, detail, say, step};

    /// What the test program below writes, on a terminal or to a pipe.
    fn written(is_terminal: bool) -> String {
        let own = std::env::current_exe().unwrap();
        let own = format!(
            "{} --exact progress::tests::a_part_of_two_steps --ignored --nocapture",
            own.display()
        );
        let mut command = match is_terminal {
            // Of util-linux; essential on Debian.
            true => Command::new("script"),
            false => Command::new("sh"),
        };
        if is_terminal {
            command.args(["--quiet", "--return", "--command", &own, "/dev/null"]);
        } else {
            command.args(["-c", &format!("{own} 2>&1 >/dev/null")]);
        }
        let command = command.env("TERM", "xterm").stdin(Stdio::null());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    #[ignore = "the others start it"]
    fn a_part_of_two_steps() {
        let _part = begin("packages", Some(2));
        step("the first");
        detail("half of it".into());
        step("the second");
        say("nearly done");
    }

    #[test]
    fn elsewhere_each_step_is_a_plain_line() {
        let wanted = "xtask: packages 1/2: the first\n\
                      xtask: packages 2/2: the second\n\
                      xtask: nearly done\n";
        assert_eq!(written(false), wanted);
    }

    #[test]
    fn on_a_terminal_a_bar_moves_below_the_lines() {
        let written = written(true);
        for wanted in [
            "xtask: packages 1/2: the first\r\n",
            "xtask: packages 1/2 ██████████░░░░░░░░░░ 00:",
            "xtask: packages 2/2: the second\r\n",
            "xtask: packages 2/2 ████████████████████ 00:",
            "xtask: nearly done\r\n",
        ] {
            assert!(written.contains(wanted), "no {wanted:?} in {written:?}");
        }
    }
}
