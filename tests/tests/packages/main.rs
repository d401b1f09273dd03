//! What packages bring beside the binary: manual pages, completions, alert rules, manifests, scripts.

mod alerts;
mod completions;
mod kubernetes;
mod maintainer;
mod manual;
