//! Which events somebody asks for.

use super::line::{Line, Loss, Record};
use ipnet::IpNet;

/// What an event has to be; what is `None` is not asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Name of its service, `-` for none.
    pub service: Option<String>,
    /// Its reason.
    pub reason: Option<String>,
    /// Where its source lies.
    pub source: Option<IpNet>,
}

impl Filter {
    /// The line, as far as it was asked for. Losses of other reasons are left out; those of which
    /// nobody knows the reason are not.
    pub fn apply(&self, line: Line) -> Option<Line> {
        match line {
            Line::Event(record) => self.takes(&record).then_some(Line::Event(record)),
            Line::Lost(loss) => self.of_loss(loss).map(Line::Lost),
            other => Some(other),
        }
    }

    fn takes(&self, record: &Record) -> bool {
        let is_service = self.service.as_ref().is_none_or(|s| *s == record.service);
        let is_reason = self.reason.as_ref().is_none_or(|r| *r == record.reason);
        let is_source = self.source.is_none_or(|prefix| {
            let source = record.source.as_ref();
            source.is_some_and(|source| prefix.contains(source))
        });
        is_service && is_reason && is_source
    }

    fn of_loss(&self, mut loss: Loss) -> Option<Loss> {
        let Some(reason) = self.reason.as_ref() else {
            return Some(loss);
        };
        if loss.by_reason.is_empty() {
            return Some(loss);
        }
        loss.by_reason.retain(|lost, _| lost == reason);
        loss.lost = loss.by_reason.values().sum();
        (loss.lost > 0).then_some(loss)
    }
}

#[cfg(test)]
mod tests {
    use super::super::line::Cause;
    use super::*;

    #[test]
    fn each_condition_is_asked() {
        let record: Record = serde_json::from_str(
            r#"{"time":"","device":"e","interface_index":1,"action":"drop","reason":"denied",
            "service":"api","source":"10.1.2.3","packet_length":60,"generation":1}"#,
        )
        .unwrap();
        let of = |service: &str, reason: &str, source: &str| Filter {
            service: (!service.is_empty()).then(|| service.into()),
            reason: (!reason.is_empty()).then(|| reason.into()),
            source: (!source.is_empty()).then(|| source.parse().unwrap()),
        };
        for (filter, wanted) in [
            (of("", "", ""), true),
            (of("api", "denied", "10.1.0.0/16"), true),
            (of("web", "", ""), false),
            (of("", "banned", ""), false),
            (of("", "", "10.2.0.0/16"), false),
            (of("", "", "::/0"), false),
        ] {
            let found = filter.apply(Line::Event(record.clone()));
            assert_eq!(found.is_some(), wanted, "{filter:?}");
        }
    }

    #[test]
    fn losses_of_other_reasons_are_left_out() {
        let filter = Filter {
            reason: Some("denied".into()),
            ..Filter::default()
        };
        let loss = |lost, by_reason: &[(&str, u64)]| Loss {
            lost,
            cause: Cause::Budget,
            by_reason: by_reason.iter().map(|(r, n)| ((*r).into(), *n)).collect(),
        };
        let both = loss(7, &[("denied", 3), ("banned", 4)]);
        assert_eq!(filter.of_loss(both), Some(loss(3, &[("denied", 3)])));
        assert_eq!(filter.of_loss(loss(4, &[("banned", 4)])), None);
        assert_eq!(filter.of_loss(loss(4, &[])), Some(loss(4, &[])));
    }
}
