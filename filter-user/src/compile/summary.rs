//! What `check` prints about a compiled policy.

/// Sizes and rates of a generation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// One for each of `Policy::lists`.
    pub lists: Vec<ListSummary>,
    /// Disjoint IPv4 ranges, neighbours of one class merged.
    pub ranges_v4: usize,
    /// Disjoint IPv6 ranges, neighbours of one class merged.
    pub ranges_v6: usize,
    /// Distinct combinations of what services say about a source.
    pub classes: usize,
    /// Distinct rates, without number 0.
    pub profiles: usize,
    /// Distinct port entries that depend on interface or address.
    pub groups: usize,
    /// Pages beside the fixed part.
    pub pages: usize,
    /// Bytes of kernel memory: the fixed part and the pages.
    pub bytes: usize,
    /// Rates as they will be enforced: each service's own, then its overrides.
    pub rates: Vec<RateSummary>,
}

/// Size of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListSummary {
    /// Its name.
    pub name: String,
    /// IPv4 prefixes as written.
    pub written_v4: usize,
    /// IPv6 prefixes as written.
    pub written_v6: usize,
    /// IPv4 prefixes left once repeated and nested ones are gone and neighbours are joined.
    pub aggregated_v4: usize,
    /// IPv6 prefixes left once repeated and nested ones are gone and neighbours are joined.
    pub aggregated_v6: usize,
}

/// Rates of a service or an override, rounded as the kernel program keeps them.
#[derive(Clone, Debug, PartialEq)]
pub struct RateSummary {
    /// Index into `Policy::services`.
    pub service: usize,
    /// Index into the service's overrides; `None` for its own rates.
    pub override_index: Option<usize>,
    /// New connections a second of a source; `None`: no limit.
    pub connections_per_second: Option<f64>,
    /// Packets a second of a source; `None`: no limit.
    pub packets_per_second: Option<f64>,
}
