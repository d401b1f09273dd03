//! Typed reading of a TOML table that goes on after an error: unknown keys, missing keys and
//! wrong types are all found, each at its place.

use super::diagnostic::{Finding, Findings};
use super::keys::{Key, Preset, SECTIONS, Section};
use super::names::{nearest, quoted};
use serde_spanned::Spanned;
use std::ops::{Range, RangeInclusive};
use toml::de::{DeTable, DeValue};

/// A table that is being read.
#[derive(Clone)]
pub(super) struct Table<'a> {
    section: &'static Section,
    entries: &'a DeTable<'a>,
    span: Range<usize>,
    findings: &'a Findings,
}

impl<'a> Table<'a> {
    /// Reports what is unknown and what is missing; missing keys are missed at `span`.
    pub(super) fn open(
        section: &'static Section,
        entries: &'a DeTable<'a>,
        span: Range<usize>,
        findings: &'a Findings,
    ) -> Self {
        let table = Self {
            section,
            entries,
            span,
            findings,
        };
        for name in entries.keys() {
            if !section.keys.iter().any(|k| k.name == name.get_ref()) {
                findings.push(table.unknown_key(name));
            }
        }
        for key in section.keys {
            if let Preset::Required(help) = key.preset
                && !entries.contains_key(key.name)
            {
                let message = format!("`{}` is missing{}", key.name, in_section(section));
                findings.push(Finding::error(table.span(), message).help(help.to_owned()));
            }
        }
        table
    }

    /// Its header.
    pub(super) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    pub(super) fn string(&self, name: &str) -> Option<Spanned<String>> {
        self.read(name, |v| v.as_str().map(str::to_owned))
    }

    pub(super) fn boolean(&self, name: &str) -> Option<Spanned<bool>> {
        self.read(name, |v| v.as_bool())
    }

    /// One of the words.
    pub(super) fn keyword<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Option<Spanned<T>> {
        let word = self.string(name)?;
        let known = words.iter().find(|(w, _)| w == word.get_ref());
        if known.is_none() {
            let message = format!(
                "`{name}` cannot be {}, expected {}",
                quoted(word.get_ref()),
                self.key(name).kind
            );
            let help = did_you_mean(word.get_ref(), words.iter().map(|(w, _)| *w));
            self.findings
                .push(Finding::error(word.span(), message).help(help));
        }
        known.map(|(_, value)| Spanned::new(word.span(), *value))
    }

    /// An integer within bounds.
    pub(super) fn integer(&self, name: &str, bounds: RangeInclusive<u32>) -> Option<Spanned<u32>> {
        let number = self.read(name, |v| v.as_integer().map(ToString::to_string))?;
        let entry = self.get(name)?;
        let value = integer(entry.get_ref());
        let value = value.and_then(|v| u32::try_from(v).ok());
        let value = value.filter(|v| bounds.contains(v));
        if value.is_none() {
            let message = format!(
                "`{name}` must be {} to {}, not {}",
                bounds.start(),
                bounds.end(),
                quoted(number.get_ref()).trim_matches('"'),
            );
            self.findings.push(Finding::error(entry.span(), message));
        }
        value.map(|value| Spanned::new(entry.span(), value))
    }

    /// An integer or a float, whatever it is.
    pub(super) fn number(&self, name: &str) -> Option<Spanned<f64>> {
        self.read(name, |value| match value {
            // Through text, so that no integer is out of range for a float.
            DeValue::Integer(i) => {
                integer(value).map_or_else(|| i.as_str().parse().ok(), |i| Some(i as f64))
            }
            DeValue::Float(f) => f.as_str().parse().ok(),
            _ => None,
        })
    }

    pub(super) fn strings(&self, name: &str) -> Option<Spanned<Vec<Spanned<String>>>> {
        self.array(name, |v| v.as_str().map(str::to_owned))
    }

    /// Strings and integers, the latter as text.
    pub(super) fn strings_or_integers(&self, name: &str) -> Option<Spanned<Vec<Spanned<String>>>> {
        self.array(name, |value| match value {
            DeValue::String(s) => Some(s.to_string()),
            DeValue::Integer(i) => Some(integer(value).map_or(i.to_string(), |i| i.to_string())),
            _ => None,
        })
    }

    /// A table below this one.
    pub(super) fn table(&self, name: &str, section: &'static Section) -> Option<Table<'a>> {
        let entry = self.get(name)?;
        let DeValue::Table(entries) = entry.get_ref() else {
            self.wrong_type(name, entry);
            return None;
        };
        Some(Self::open(section, entries, entry.span(), self.findings))
    }

    /// An array of tables below this one; a required one has at least one.
    pub(super) fn tables(&self, name: &str, section: &'static Section) -> Vec<Table<'a>> {
        let Some(entry) = self.get(name) else {
            return Vec::new();
        };
        let DeValue::Array(elements) = entry.get_ref() else {
            self.wrong_type(name, entry);
            return Vec::new();
        };
        if let Preset::Required(help) = self.key(name).preset
            && elements.is_empty()
        {
            let key = name;
            let finding = Finding::error(entry.span(), format!("`{key}` is empty"));
            self.findings.push(finding.help(help.to_owned()));
        }
        let mut tables = Vec::new();
        for element in elements {
            match element.get_ref() {
                DeValue::Table(entries) => {
                    tables.push(Self::open(section, entries, element.span(), self.findings));
                }
                _ => self.wrong_type(name, element),
            }
        }
        tables
    }

    /// Tables below this one under names that the operator chose.
    pub(super) fn named_tables(
        &self,
        name: &str,
        section: &'static Section,
    ) -> Vec<(Spanned<String>, Table<'a>)> {
        let Some(entry) = self.get(name) else {
            return Vec::new();
        };
        let DeValue::Table(named) = entry.get_ref() else {
            self.wrong_type(name, entry);
            return Vec::new();
        };
        let mut tables = Vec::new();
        for (key, element) in named {
            match element.get_ref() {
                DeValue::Table(entries) => tables.push((
                    Spanned::new(key.span(), key.get_ref().to_string()),
                    Self::open(section, entries, element.span(), self.findings),
                )),
                _ => self.wrong_type(name, element),
            }
        }
        // As they stand in the file; the parser sorts them by name.
        tables.sort_by_key(|(name, _)| name.span().start);
        tables
    }

    /// The value as the parser gave it, for keys that take more than one type.
    pub(super) fn get(&self, name: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        let _ = self.key(name);
        self.entries.get(name)
    }

    /// Says that the value is not what the key takes.
    pub(super) fn wrong_type(&self, name: &str, value: &Spanned<DeValue<'_>>) {
        let message = format!("`{name}` expects {}", self.key(name).kind);
        let label = format!("this is {}", with_article(value.get_ref().type_str()));
        self.findings
            .push(Finding::error(value.span(), message).label(label));
    }

    fn read<T>(&self, name: &str, read: impl Fn(&DeValue<'_>) -> Option<T>) -> Option<Spanned<T>> {
        let entry = self.get(name)?;
        let value = read(entry.get_ref());
        if value.is_none() {
            self.wrong_type(name, entry);
        }
        value.map(|value| Spanned::new(entry.span(), value))
    }

    fn array<T>(
        &self,
        name: &str,
        read: impl Fn(&DeValue<'_>) -> Option<T>,
    ) -> Option<Spanned<Vec<Spanned<T>>>> {
        let entry = self.get(name)?;
        let DeValue::Array(elements) = entry.get_ref() else {
            self.wrong_type(name, entry);
            return None;
        };
        let mut values = Vec::new();
        for element in elements {
            match read(element.get_ref()) {
                Some(value) => values.push(Spanned::new(element.span(), value)),
                None => self.wrong_type(name, element),
            }
        }
        // An array of nothing but mistakes is not an empty one.
        let read_any = elements.is_empty() || !values.is_empty();
        read_any.then(|| Spanned::new(entry.span(), values))
    }

    /// A reader that asks for a key outside the table of keys is a bug that the first test finds.
    #[expect(
        clippy::panic,
        reason = "each key is read whatever a file holds: no test gets past it"
    )]
    fn key(&self, name: &str) -> &'static Key {
        let mut keys = self.section.keys.iter();
        keys.find(|key| key.name == name)
            .unwrap_or_else(|| panic!("`{name}` is not in keys/"))
    }

    fn unknown_key(&self, name: &Spanned<std::borrow::Cow<'_, str>>) -> Finding {
        let wrong: &str = name.get_ref();
        let own = self.section.keys.iter().map(|key| key.name);
        let help = did_you_mean(wrong, own.clone()).or_else(|| {
            let elsewhere = SECTIONS
                .iter()
                .find(|section| section.keys.iter().any(|key| key.name == wrong));
            Some(match elsewhere {
                Some(section) if section.header.is_empty() => {
                    format!("`{wrong}` belongs to the top of the file")
                }
                Some(section) => format!("`{wrong}` belongs to {}", section.header),
                None => format!("known here: {}", own.collect::<Vec<_>>().join(", ")),
            })
        });
        let message = format!("unknown key {}{}", quoted(wrong), in_section(self.section));
        Finding::error(name.span(), message).help(help)
    }
}

fn integer(value: &DeValue<'_>) -> Option<i64> {
    let integer = value.as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

fn did_you_mean<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    nearest(wrong, known).map(|near| format!("did you mean `{near}`?"))
}

fn in_section(section: &Section) -> String {
    match section.header {
        "" => String::new(),
        header => format!(" in {header}"),
    }
}

fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'i']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {noun}")
}
