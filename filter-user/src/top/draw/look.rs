//! Colours and characters that the terminal can show.

use ratatui::style::{Color, Modifier, Style};
use std::env;

/// What may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Colours, beside bold and reverse.
    pub is_coloured: bool,
    /// Bars of block elements, else of ASCII.
    pub is_unicode: bool,
}

impl Look {
    /// As the environment says: `NO_COLOR`, and the locale.
    pub fn of_environment() -> Self {
        let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
        // The first that is set counts (locale(7)).
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .find(|n| is_set(n));
        let locale = locale.and_then(|name| env::var(name).ok());
        let locale = locale.unwrap_or_default().to_ascii_lowercase();
        Self {
            is_coloured: !is_set("NO_COLOR"),
            is_unicode: locale.contains("utf-8") || locale.contains("utf8"),
        }
    }

    pub(super) fn title(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    pub(super) fn heading(self) -> Style {
        self.coloured(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    pub(super) fn alert(self) -> Style {
        self.coloured(Color::Red).add_modifier(Modifier::BOLD)
    }

    pub(super) fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Of `pass`, `drop` and `would_drop`.
    pub(super) fn action(self, action: &str) -> Style {
        match action {
            "drop" => self.coloured(Color::Red),
            "would_drop" => self.coloured(Color::Yellow),
            _ => self.coloured(Color::Green),
        }
    }

    fn coloured(self, colour: Color) -> Style {
        match self.is_coloured {
            true => Style::new().fg(colour),
            false => Style::new(),
        }
    }
}
