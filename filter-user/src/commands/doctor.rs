//! `doctor`: reads the host, prints findings.

use super::{Failure, print, print_json};
use crate::cli::{DoctorOptions, PathOptions};
use crate::doctor::{Facts, Finding, Severity, examine};
use anyhow::anyhow;
use serde_json::json;

pub(super) fn run(options: &DoctorOptions, paths: &PathOptions) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(anyhow::Error::from)?;
    let facts = runtime.block_on(Facts::read(paths, options.device.as_deref()));
    let findings = examine(&facts.map_err(anyhow::Error::from)?);
    if options.json {
        print_json(&json!({ "findings": findings }))?;
    } else {
        print(&text(&findings))?;
    }
    let count = |severity| findings.iter().filter(|f| f.severity == severity).count();
    match (count(Severity::Error), count(Severity::Warning)) {
        (0, 0) => Ok(()),
        (errors, warnings) => {
            Err(anyhow!("doctor found errors: {errors}, warnings: {warnings}").into())
        }
    }
}

fn text(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return "nothing is wrong\n".into();
    }
    findings
        .iter()
        .map(|finding| format!("{finding}\n"))
        .collect()
}
