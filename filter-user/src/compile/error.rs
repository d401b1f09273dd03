//! Why a valid policy cannot be compiled: capacity, and what `validate` should have refused.

use filter_common::policy::{ADDRESSES, CLASSES, GROUPS, INTERFACES, PROFILES, SERVICES};

/// Why there are no tables for a policy. The message names what to change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// More distinct combinations of what services say about a source than classes.
    #[error(
        "sources fall into more than {CLASSES} classes (a class is one combination of what all \
         services say about a source); most of them come of {}: use fewer lists that overlap \
         in part, or fewer overrides", from.join(", ")
    )]
    Classes {
        /// Where most of the classes come from, most first, as the configuration names it.
        from: Vec<String>,
    },
    /// More distinct rates than profiles.
    #[error(
        "more than {} distinct rates and overrides; most are in {}: merge overrides with \
         the same rates into one", PROFILES - 1, quoted(services)
    )]
    Profiles {
        /// Services with the most overrides, most first.
        services: Vec<String>,
    },
    /// A rate that the kernel program cannot keep.
    #[error(
        "service \"{service}\": {what} of {}: a burst is at least 1 and rate and burst reach \
         no further than 4 hours", place(*override_number)
    )]
    Rate {
        /// The service's name.
        service: String,
        /// The override, counted from 1; `None` for the service's own rate.
        override_number: Option<usize>,
        /// The rate, as it was written.
        what: String,
    },
    /// More distinct limits to interfaces and addresses than groups.
    #[error(
        "ports need more than {GROUPS} distinct combinations of service, interface and \
         address; they are those of {}: let services share ports, interfaces and addresses \
         alike",
        quoted(services)
    )]
    Groups {
        /// Services limited to interfaces or addresses.
        services: Vec<String>,
    },
    /// More service addresses than there is room for.
    #[error("more than {ADDRESSES} service addresses, in {}", quoted(services))]
    Addresses {
        /// Services with addresses.
        services: Vec<String>,
    },
    /// No multiplier keeps the service addresses apart.
    #[error("no perfect hash found for the service addresses; this is a bug, please report it")]
    AddressHash,
    /// The caller's numbers do not fit the policy.
    #[error(
        "{what} {number} is not below {limit}, given twice, or missing; this is a bug, please \
         report it"
    )]
    Ids {
        /// Which number.
        what: &'static str,
        /// The number, or how many there are.
        number: usize,
        /// What it has to stay below, or how many there have to be.
        limit: usize,
    },
    /// The tables are larger than their entries can address.
    #[error("the prefixes need {pages} pages, more than the tables can address")]
    Pages {
        /// Pages needed.
        pages: usize,
    },
    /// No memory for the tables.
    #[error("out of memory for the policy's tables")]
    Memory,
}

impl CompileError {
    pub(super) const fn service_number(number: usize) -> Self {
        Self::Ids {
            what: "service number",
            number,
            limit: SERVICES,
        }
    }

    pub(super) const fn interface_slot(number: usize) -> Self {
        Self::Ids {
            what: "interface slot",
            number,
            limit: INTERFACES,
        }
    }
}

fn quoted(names: &[String]) -> String {
    let names: Vec<_> = names
        .iter()
        .map(|name| format!("service \"{name}\""))
        .collect();
    names.join(", ")
}

fn place(override_number: Option<usize>) -> String {
    override_number.map_or_else(
        || "rate_limit".into(),
        |number| format!("override number {number}"),
    )
}
