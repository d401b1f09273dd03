//! What packages bring beside the binary: manual pages, completions, alert rules.

mod alerts;
mod completions;
mod manual;
