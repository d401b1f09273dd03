//! A scrape, parsed by the rules of the Prometheus text format and without the daemon's own code.

use std::collections::BTreeMap;

/// One line that is not a comment.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Name of the series.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

impl Sample {
    /// A label's value, or nothing.
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    fn has(&self, labels: &[(&str, &str)]) -> bool {
        labels
            .iter()
            .all(|(name, value)| self.label(name) == *value)
    }
}

/// All lines of a scrape.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// In their order.
    pub samples: Vec<Sample>,
    /// Comments, such as HELP and TYPE, without the `# `.
    pub comments: Vec<String>,
}

impl Metrics {
    /// Reads Prometheus text or OpenMetrics.
    ///
    /// # Panics
    /// At a line that is neither.
    pub fn parse(text: &str) -> Self {
        let (comments, samples): (Vec<&str>, Vec<&str>) =
            text.lines().partition(|line| line.starts_with("# "));
        Self {
            samples: samples
                .into_iter()
                .map(|line| sample(line).unwrap_or_else(|| panic!("not a sample: {line:?}")))
                .collect(),
            comments: comments.into_iter().map(|line| line[2..].into()).collect(),
        }
    }

    /// Sum of the series of this name that have these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.named(name)
            .filter(|sample| sample.has(labels))
            .map(|sample| sample.value)
            .sum()
    }

    /// The only series of this name with these labels.
    ///
    /// # Panics
    /// If there is none, or more than one.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let found: Vec<_> = self
            .named(name)
            .filter(|sample| sample.has(labels))
            .collect();
        match found[..] {
            [sample] => sample.value,
            _ => panic!("{} series {name} with {labels:?}", found.len()),
        }
    }

    /// Series of this name.
    pub fn named(&self, name: &str) -> impl Iterator<Item = &Sample> {
        self.samples
            .iter()
            .filter(move |sample| sample.name == name)
    }

    /// Packets counted for a service (`-` for none) under this action and reason.
    pub fn packets(&self, service: &str, action: &str, reason: &str) -> u64 {
        self.sum(
            "edge_filter_packets_total",
            &[("service", service), ("action", action), ("reason", reason)],
        ) as u64
    }
}

fn sample(line: &str) -> Option<Sample> {
    let (name, mut rest) = line.split_at(line.find(['{', ' '])?);
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (label, after) = rest.split_once("=\"")?;
            let (value, after) = after.split_once('"')?;
            // Nothing here holds a quote or a backslash; one that did would need unescaping.
            if value.contains('\\') {
                return None;
            }
            labels.insert(label.into(), value.into());
            rest = after.trim_start_matches(',');
        }
        rest = &rest[1..];
    }
    Some(Sample {
        name: name.into(),
        labels,
        // A timestamp may follow.
        value: rest.split_whitespace().next()?.parse().ok()?,
    })
}
