//! Plots as SVG: lines over a logarithmic axis. Nothing is drawn that a table does not have too.

use std::fmt::Write as _;

use crate::result::{Plot, number};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
/// Around the drawing: left, right, top, bottom.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = 56.0;
/// In the line of names: of a character, on average, and between two names.
const CHARACTER: f64 = 6.2;
const GAP: f64 = 20.0;
/// Told apart also by who sees few colours (Okabe and Ito, 2008).
const COLOURS: [&str; 6] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9",
];

/// The picture.
pub fn draw(plot: &Plot) -> String {
    let points = || {
        plot.series
            .iter()
            .flat_map(|(_, points)| points.iter().copied())
    };
    let across = Axis::new(points().map(|point| point.0), true, LEFT, WIDTH - RIGHT);
    let up = Axis::new(
        points().map(|point| point.1),
        plot.is_log,
        HEIGHT - BOTTOM,
        TOP,
    );
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<title>{}</title>\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"20\" font-size=\"15\">{}</text>\n",
        escaped(&plot.title),
        escaped(&plot.title)
    );
    for tick in across.ticks() {
        let (x, top, bottom) = (across.place(tick), TOP, HEIGHT - BOTTOM);
        let _ = writeln!(
            svg,
            "<path d=\"M{x:.1} {top}V{bottom}\" stroke=\"#ddd\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            bottom + 18.0,
            number(tick)
        );
    }
    for tick in up.ticks() {
        let (y, right) = (up.place(tick), WIDTH - RIGHT);
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {y:.1}H{right}\" stroke=\"#ddd\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 6.0,
            y + 4.0,
            number(tick)
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
        f64::midpoint(LEFT, WIDTH - RIGHT),
        HEIGHT - 12.0,
        escaped(&plot.x)
    );
    let mut legend = LEFT;
    for (at, (name, points)) in plot.series.iter().enumerate() {
        let colour = COLOURS[at % COLOURS.len()];
        let mut path = String::new();
        for (number, (x, y)) in points.iter().enumerate() {
            let (x, y) = (across.place(*x), up.place(*y));
            let _ = write!(path, "{}{x:.1} {y:.1}", if number == 0 { "M" } else { "L" });
            let _ = writeln!(
                svg,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>"
            );
        }
        let _ = writeln!(
            svg,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\n\
             <text x=\"{legend:.1}\" y=\"42\" fill=\"{colour}\">{}</text>",
            escaped(name)
        );
        legend += CHARACTER * name.chars().count() as f64 + GAP;
    }
    svg + "</svg>\n"
}

/// Values to places.
struct Axis {
    low: f64,
    high: f64,
    is_log: bool,
    from: f64,
    to: f64,
}

impl Axis {
    fn new(values: impl Iterator<Item = f64>, is_log: bool, from: f64, to: f64) -> Self {
        let values: Vec<f64> = values
            .filter(|v| v.is_finite() && (!is_log || *v > 0.0))
            .collect();
        let high = values.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        let (low, high) = if is_log {
            let low = values.iter().copied().fold(high, f64::min);
            (
                10f64.powf(low.log10().floor()),
                10f64.powf(high.log10().ceil()),
            )
        } else {
            (0.0, high * 1.1)
        };
        Self {
            low,
            high: if high > low { high } else { low * 10.0 },
            is_log,
            from,
            to,
        }
    }

    fn place(&self, value: f64) -> f64 {
        let share = if self.is_log {
            // What a logarithm cannot show stands at the edge.
            (value.max(self.low) / self.low).log10() / (self.high / self.low).log10()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        self.from + share * (self.to - self.from)
    }

    fn ticks(&self) -> Vec<f64> {
        if self.is_log {
            let powers = (self.high / self.low).log10().round() as i32;
            return (0..=powers)
                .map(|power| self.low * 10f64.powi(power))
                .collect();
        }
        (0..=5)
            .map(|fifth| self.high * f64::from(fifth) / 5.0)
            .collect()
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::{Axis, draw};
    use crate::result::Plot;

    #[test]
    fn a_picture_has_a_line_and_a_name_for_each_series() {
        let plot = Plot {
            file: "plot".into(),
            title: "a < b & c".into(),
            x: "prefixes".into(),
            is_log: true,
            series: vec![
                ("ours".into(), vec![(1.0, 10.0), (100.0, 20.0)]),
                ("theirs".into(), vec![(1.0, 50.0), (100.0, 2_000.0)]),
            ],
        };
        let svg = draw(&plot);
        assert!(svg.contains("a &lt; b &amp; c"), "{svg}");
        assert_eq!(svg.matches("fill=\"none\"").count(), 2, "{svg}");
        assert_eq!(svg.matches("<circle").count(), 4, "{svg}");
        assert!(svg.contains(">ours</text>") && svg.contains(">theirs</text>"));
    }

    #[test]
    fn powers_of_ten_are_equally_far_from_each_other() {
        let axis = Axis::new([3.0, 700.0].into_iter(), true, 0.0, 300.0);
        let places: Vec<_> = axis
            .ticks()
            .into_iter()
            .map(|tick| axis.place(tick))
            .collect();
        assert_eq!(places.len(), 4);
        for (place, expected) in places.iter().zip([0.0, 100.0, 200.0, 300.0]) {
            assert!((place - expected).abs() < 1e-9, "{places:?}");
        }
    }

    #[test]
    fn what_a_logarithm_cannot_show_stays_in_the_picture() {
        let axis = Axis::new([-2.0, 5.0, 50.0].into_iter(), true, 0.0, 100.0);
        assert!(axis.place(-2.0).abs() < 1e-9);
    }
}
