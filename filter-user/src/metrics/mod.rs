//! `/metrics`: read from the kernel at each scrape, nothing cached. A scrape that cannot be
//! answered fails; it never shows old numbers.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod collect;
mod encode;
mod process;
mod serve;
mod table;

pub use encode::{Family, Format, Sample, Value, encode};
pub use serve::{Ends, serve};
pub use table::{METRICS, Metric, MetricKind, reference};
