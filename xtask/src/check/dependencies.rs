//! Licences and sources of everything in Cargo.lock, held to `deny.toml`, without a network.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use spdx::{Expression, LicenseReq, ParseMode};

use crate::check::policy::{Licenses, Policy};
use crate::command;
use crate::progress::say;
use crate::workspace::Workspace;

/// A crate of the dependency graph.
#[derive(Deserialize)]
pub struct Package {
    /// Name on the registry.
    pub name: String,
    /// Locked version.
    pub version: String,
    /// SPDX expression, if the crate states one.
    license: Option<String>,
    /// `registry+URL` or `git+URL`; none for the workspace's own crates.
    pub source: Option<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

/// Fails with the list of all crates whose licence or source is not accepted.
pub fn check(workspace: &Workspace) -> Result<()> {
    say("check: licences and sources of dependencies");
    let policy = Policy::read(workspace)?;
    let packages = packages(workspace)?;
    let found: BTreeSet<String> = packages
        .iter()
        .flat_map(|package| {
            let findings = [
                licence_finding(package, &policy.licenses),
                source_finding(package, &policy.sources.allow_registry),
            ];
            findings.into_iter().flatten()
        })
        .collect();
    if !found.is_empty() {
        bail!(
            "deny.toml does not accept:\n  {}\nuse another crate, or accept it there and say why",
            found.into_iter().collect::<Vec<_>>().join("\n  ")
        );
    }
    Ok(())
}

/// Every crate of the graph, for every platform and feature.
pub fn packages(workspace: &Workspace) -> Result<Vec<Package>> {
    let text = command::output(command::cargo(workspace.root()).args([
        "metadata",
        "--format-version=1",
        "--all-features",
        "--locked",
    ]))?;
    let metadata: Metadata =
        serde_json::from_str(&text).context("cannot understand `cargo metadata`")?;
    Ok(metadata.packages)
}

fn licence_finding(package: &Package, licenses: &Licenses) -> Option<String> {
    let Package { name, version, .. } = package;
    let Some(text) = &package.license else {
        return Some(format!("{name} {version}: states no licence"));
    };
    // Old crates write `MIT/Apache-2.0`.
    let Ok(expression) = Expression::parse_mode(text, ParseMode::LAX) else {
        return Some(format!("{name} {version}: `{text}` is no SPDX expression"));
    };
    let exceptions = licenses.exceptions.iter().filter(|e| e.name == *name);
    let allowed: Vec<&String> = exceptions
        .flat_map(|exception| &exception.allow)
        .chain(&licenses.allow)
        .collect();
    let is_accepted = expression.evaluate(|required| is_allowed(required, &allowed));
    (!is_accepted).then(|| format!("{name} {version}: licence {text}"))
}

/// An exception adds rights, but is a text of its own: it has to be listed with its licence.
fn is_allowed(required: &LicenseReq, allowed: &[&String]) -> bool {
    let text = required.to_string();
    allowed.contains(&&text)
}

fn source_finding(package: &Package, allowed: &[String]) -> Option<String> {
    let source = package.source.as_ref()?;
    let is_accepted = source
        .strip_prefix("registry+")
        .is_some_and(|url| allowed.iter().any(|registry| registry == url));
    (!is_accepted).then(|| format!("{} {}: source {source}", package.name, package.version))
}

#[cfg(test)]
mod tests {
    use super::{Package, licence_finding, source_finding};
    use crate::check::policy::{Exception, Licenses};

    fn package(license: Option<&str>, source: Option<&str>) -> Package {
        Package {
            name: "example".into(),
            version: "1.0.0".into(),
            license: license.map(Into::into),
            source: source.map(Into::into),
        }
    }

    fn is_refused(license: Option<&str>) -> bool {
        licence_finding(&package(license, None), &licenses("another")).is_some()
    }

    fn licenses(exceptional: &str) -> Licenses {
        Licenses {
            allow: vec!["MIT".into(), "ISC".into()],
            exceptions: vec![Exception {
                name: exceptional.into(),
                allow: vec!["NCSA".into()],
            }],
        }
    }

    #[test]
    fn an_exception_is_for_one_crate() {
        let package = package(Some("MIT AND NCSA"), None);
        assert!(licence_finding(&package, &licenses("example")).is_none());
        assert!(licence_finding(&package, &licenses("another")).is_some());
    }

    #[test]
    fn one_accepted_alternative_is_enough_and_all_of_a_conjunction_are_needed() {
        assert!(!is_refused(Some("MIT OR GPL-3.0-only")));
        assert!(!is_refused(Some("GPL-3.0-only/MIT")));
        assert!(!is_refused(Some("MIT AND ISC")));
        assert!(is_refused(Some("MIT AND GPL-3.0-only")));
    }

    #[test]
    fn an_unstated_or_unreadable_licence_is_refused() {
        assert!(is_refused(None));
        assert!(is_refused(Some("see the file LICENSE")));
    }

    #[test]
    fn only_listed_registries_are_sources() {
        let allowed = ["https://registry.example/index".to_owned()];
        let finding = |source| source_finding(&package(None, source), &allowed);
        assert!(finding(None).is_none());
        assert!(finding(Some("registry+https://registry.example/index")).is_none());
        assert!(finding(Some("registry+https://elsewhere.example/index")).is_some());
        assert!(finding(Some("git+https://registry.example/index")).is_some());
    }
}
