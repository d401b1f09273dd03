//! Numbers, times and curves in little room.

use std::time::Duration;

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const ASCII_BARS: [char; 8] = ['_', '.', ':', '-', '=', '+', '*', '#'];

/// At most five characters: `0`, `0.35`, `12.3`, `999`, `1.2k`, `345M`.
pub(super) fn number(value: f64) -> String {
    const UNITS: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];
    if value < 0.005 {
        return "0".to_owned();
    }
    let (mut value, mut unit) = (value, 0);
    // What would be rounded to 1000 is the next unit's 1.0.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let suffix = UNITS[unit];
    match value {
        _ if unit == 0 && value.fract() == 0.0 => format!("{value:.0}"),
        0.0..0.995 => format!("{value:.2}{suffix}"),
        0.0..99.95 => format!("{value:.1}{suffix}"),
        _ => format!("{value:.0}{suffix}"),
    }
}

/// The two largest units: `5s`, `3m 20s`, `2h 3m`, `4d 1h`.
pub(super) fn time(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h {}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// A duration as it was typed, in the words of `--for`.
pub(super) fn duration(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// The newest `width` values as bars of at most the height of the highest; none is a space.
pub(super) fn curve(values: &[f64], width: usize, is_unicode: bool) -> String {
    let bars = if is_unicode { BARS } else { ASCII_BARS };
    let newest = &values[values.len().saturating_sub(width)..];
    let highest = newest.iter().copied().fold(0.0, f64::max);
    let bar = |&value: &f64| match value {
        0.0 => ' ',
        // Whatever is there is seen.
        value => bars[((value / highest * 8.0).ceil() as usize).clamp(1, 8) - 1],
    };
    let curve: String = newest.iter().map(bar).collect();
    format!("{curve:>width$}")
}

/// At most `width` characters; what is cut off ends in `~`.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept = text.chars().take(width.saturating_sub(1));
    kept.chain(['~']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_at_most_five_characters() {
        for (value, shown) in [
            (0.0, "0"),
            (0.001, "0"),
            (0.351, "0.35"),
            (5.0, "5"),
            (12.34, "12.3"),
            (99.97, "100"),
            (999.0, "999"),
            (999.7, "1.0k"),
            (1234.0, "1.2k"),
            (12_345_678.0, "12.3M"),
            (u64::MAX as f64, "18.4E"),
        ] {
            assert_eq!(number(value), shown, "{value}");
            assert!(number(value).len() <= 5);
        }
    }

    #[test]
    fn times_have_two_units() {
        for (seconds, shown) in [
            (0, "0s"),
            (200, "3m 20s"),
            (7380, "2h 3m"),
            (349_200, "4d 1h"),
        ] {
            assert_eq!(time(seconds), shown);
        }
    }

    #[test]
    fn curves_end_with_the_newest_and_show_the_smallest() {
        assert_eq!(curve(&[], 3, true), "   ");
        assert_eq!(curve(&[8.0], 3, true), "  █");
        assert_eq!(curve(&[9.0, 1.0, 0.0, 0.001, 8.0], 4, true), "▁ ▁█");
        assert_eq!(curve(&[4.0, 8.0], 2, false), "-#");
    }

    #[test]
    fn what_is_cut_off_is_seen_to_be() {
        assert_eq!(cut("abcdef", 4), "abc~");
        assert_eq!(cut("äöü", 3), "äöü");
    }
}
