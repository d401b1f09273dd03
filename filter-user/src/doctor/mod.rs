//! `doctor`: what will go wrong on this host before it does. `facts` reads the host, the checks
//! are pure functions over what was read, so that tests have hosts of their own.

#![forbid(unsafe_code)]

mod boot;
mod device;
mod facts;
mod finding;
mod host;
mod kernel;
mod links;
mod reference;
#[cfg(test)]
mod tests;

pub use facts::Facts;
pub use finding::{Check, Finding, Severity};
pub use reference::reference;

/// Everything that is wrong, or worth knowing; the worst first.
pub fn examine(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    kernel::examine(facts, &mut findings);
    host::examine(facts, &mut findings);
    boot::examine(facts, &mut findings);
    for device in &facts.devices {
        device::examine(device, facts, &mut findings);
    }
    links::examine(facts, &mut findings);
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}
