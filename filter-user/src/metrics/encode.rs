//! Families of samples as text, in both formats that Prometheus reads.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/> and
//! <https://prometheus.io/docs/specs/om/open_metrics_spec/>.

use super::table::{Metric, MetricKind};
use std::fmt;

/// A metric with its samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// Which.
    pub metric: &'static Metric,
    /// Each with other labels.
    pub samples: Vec<Sample>,
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// In the order of the metric's labels.
    pub labels: Vec<String>,
    /// The number.
    pub value: Value,
}

/// A number. Counters are exact beyond what a float can hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// A count.
    Integer(u64),
    /// Seconds, for one.
    Float(f64),
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Integer(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Integer(value.into())
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value}"),
        }
    }
}

/// How it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus text 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// For the header `Content-Type`.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// What a header `Accept` prefers; text, where it says nothing of either.
    pub fn negotiate(accept: &str) -> Self {
        let best = |name: &str| {
            let offers = accept.split(',').map(|offer| {
                let mut parts = offer.split(';').map(str::trim);
                let is_meant = parts
                    .next()
                    .is_some_and(|kind| kind.eq_ignore_ascii_case(name));
                let quality = parts.find_map(|part| part.strip_prefix("q="));
                let quality = quality.map_or(1.0, |q| q.parse::<f32>().unwrap_or(0.0));
                if is_meant { quality } else { 0.0 }
            });
            offers.fold(0.0, f32::max)
        };
        let open_metrics = best("application/openmetrics-text");
        if open_metrics > 0.0 && open_metrics >= best("text/plain") {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }
}

/// All families as one text.
pub fn encode(families: &[Family], format: Format) -> String {
    let mut text = String::new();
    for family in families {
        // Writing to a string does not fail.
        let _ = write_family(&mut text, family, format);
    }
    if format == Format::OpenMetrics {
        text.push_str("# EOF\n");
    }
    text
}

fn write_family(text: &mut impl fmt::Write, family: &Family, format: Format) -> fmt::Result {
    let Metric {
        name,
        kind,
        labels,
        help,
    } = family.metric;
    // OpenMetrics names a family of counters without the suffix of its samples.
    let named = match (format, kind) {
        (Format::OpenMetrics, MetricKind::Counter) => name.strip_suffix("_total").unwrap_or(name),
        _ => name,
    };
    let (help, kind) = (Escaped(help), kind.as_str());
    match format {
        Format::Text => writeln!(text, "# HELP {named} {help}\n# TYPE {named} {kind}")?,
        Format::OpenMetrics => writeln!(text, "# TYPE {named} {kind}\n# HELP {named} {help}")?,
    }
    for sample in &family.samples {
        write!(text, "{name}")?;
        let pairs = labels.iter().zip(&sample.labels);
        for (n, (label, value)) in pairs.enumerate() {
            let before = if n == 0 { '{' } else { ',' };
            write!(text, "{before}{label}=\"{}\"", Escaped(value))?;
        }
        let end = if sample.labels.is_empty() { "" } else { "}" };
        writeln!(text, "{end} {}", sample.value)?;
    }
    Ok(())
}

/// Backslash, quote and line feed escaped. (A help text in the older format leaves quotes alone;
/// ours have none.)
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                c => fmt::Write::write_char(f, c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::{METRICS, PACKETS, START_TIME};
    use super::*;

    fn families() -> Vec<Family> {
        let labels = ["eth0", "a\"b\\c\nd", "drop", "denied"];
        vec![
            Family {
                metric: &PACKETS,
                samples: vec![Sample {
                    labels: labels.map(String::from).to_vec(),
                    value: u64::MAX.into(),
                }],
            },
            Family {
                metric: &START_TIME,
                samples: vec![Sample {
                    labels: vec![],
                    value: 1.5.into(),
                }],
            },
        ]
    }

    #[test]
    fn text_is_as_the_format_wants_it() {
        assert_eq!(
            encode(&families(), Format::Text),
            "# HELP edge_filter_packets_total Packets by what was done with them and why\n\
             # TYPE edge_filter_packets_total counter\n\
             edge_filter_packets_total{device=\"eth0\",service=\"a\\\"b\\\\c\\nd\",\
             action=\"drop\",reason=\"denied\"} 18446744073709551615\n\
             # HELP process_start_time_seconds When the daemon started\n\
             # TYPE process_start_time_seconds gauge\n\
             process_start_time_seconds 1.5\n"
        );
    }

    #[test]
    fn open_metrics_names_the_family_without_total_and_ends_with_eof() {
        let text = encode(&families(), Format::OpenMetrics);
        assert!(text.starts_with("# TYPE edge_filter_packets counter\n"));
        assert!(text.contains("\nedge_filter_packets_total{device="));
        assert!(text.ends_with("\n# EOF\n"));
    }

    /// Name, labels, value.
    type Parsed = (String, Vec<(String, String)>, f64);

    /// A reader of both formats, written from the specifications: names, then labels and values.
    fn parse(text: &str) -> Vec<Parsed> {
        let mut samples = Vec::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let name_end = line.find(['{', ' ']).expect("a name");
            let (name, mut rest) = line.split_at(name_end);
            let mut labels = Vec::new();
            while let Some(after) = rest.strip_prefix(['{', ',']) {
                let (label, after) = after.split_once("=\"").expect("a label");
                let mut value = String::new();
                let mut chars = after.char_indices();
                let end = loop {
                    match chars.next().expect("a closing quote") {
                        (at, '"') => break at,
                        (_, '\\') => match chars.next().expect("an escaped character") {
                            (_, 'n') => value.push('\n'),
                            (_, c @ ('\\' | '"')) => value.push(c),
                            (_, c) => panic!("\\{c}"),
                        },
                        (_, c) => value.push(c),
                    }
                };
                labels.push((label.to_owned(), value));
                rest = &after[end + 1..];
            }
            let value = rest.trim_start_matches('}').trim_start();
            samples.push((name.to_owned(), labels, value.parse().expect("a number")));
        }
        samples
    }

    #[test]
    fn both_formats_say_the_same() {
        let text = parse(&encode(&families(), Format::Text));
        assert_eq!(text, parse(&encode(&families(), Format::OpenMetrics)));
        assert_eq!(text[0].1[1].1, "a\"b\\c\nd");
        assert_eq!(text[1].2, 1.5);
    }

    #[test]
    fn help_texts_need_no_escape_that_the_formats_disagree_on() {
        assert!(METRICS.iter().all(|metric| !metric.help.contains('"')));
    }

    #[test]
    fn the_format_is_what_the_scraper_prefers() {
        use Format::{OpenMetrics, Text};
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,\
                          application/openmetrics-text;version=0.0.1;q=0.4,\
                          text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for (accept, format) in [
            ("", Text),
            ("*/*", Text),
            ("text/plain", Text),
            ("application/openmetrics-text", OpenMetrics),
            ("application/openmetrics-text;q=0", Text),
            ("text/plain;q=0.9, application/openmetrics-text;q=0.1", Text),
            (prometheus, OpenMetrics),
        ] {
            assert_eq!(Format::negotiate(accept), format, "{accept}");
        }
    }
}
