//! Prefix lists: what is written in the configuration and what their files hold.

use super::diagnostic::{Diagnostic, Finding, Findings, Severity};
use super::file::List;
use super::files::{ReadFile, SourceFile, not_utf8};
use super::list_file;
use super::names::{complaint_about_list, quoted};
use super::policy::PrefixList;
use super::prefix::parse_prefix;
use ipnet::IpNet;
use std::path::{Path, PathBuf};

const MAX_LISTS: usize = 64;

/// Lists as they were found; with errors, not all of their prefixes.
#[derive(Debug, Default)]
pub(super) struct Lists {
    /// In the order of the configuration, one for each of its lists.
    pub lists: Vec<PrefixList>,
    pub sources: Vec<SourceFile>,
    /// What is wrong inside list files.
    pub errors: Vec<Diagnostic>,
}

/// Reads every list; `config` is the path that list files are relative to.
pub(super) fn read(
    typed: &[List],
    config: &Path,
    read: &ReadFile<'_>,
    findings: &Findings,
) -> Lists {
    let mut lists = Lists::default();
    for (index, typed) in typed.iter().enumerate() {
        if index == MAX_LISTS {
            let message = format!("more than {MAX_LISTS} prefix lists");
            findings.push(Finding::error(typed.name.span(), message));
        }
        if let Some(complaint) = complaint_about_list(typed.name.get_ref()) {
            let message = format!("a list cannot be named {}", quoted(typed.name.get_ref()));
            findings.push(Finding::error(typed.name.span(), message).help(complaint.to_owned()));
        }
        lists.read_one(typed, config, read, findings);
    }
    lists
}

impl Lists {
    fn read_one(&mut self, typed: &List, config: &Path, read: &ReadFile<'_>, findings: &Findings) {
        let name = quoted(typed.name.get_ref());
        let file = typed.file.as_ref();
        let path = file.map(|file| beside(config, file.get_ref()));
        let mut list = PrefixList {
            name: typed.name.get_ref().clone(),
            v4: Vec::new(),
            v6: Vec::new(),
            file: path.clone(),
            max_shrink_percent: percent(typed),
            line: typed.line,
        };
        if typed.prefixes.is_none() && file.is_none() {
            let message = format!("the list {name} has neither `prefixes` nor `file`");
            findings.push(Finding::error(typed.name.span(), message));
            self.lists.push(list);
            return;
        }

        let in_place = typed.prefixes.iter().flat_map(|p| p.get_ref());
        let mut wrong = false;
        for text in in_place {
            match parse_prefix(text.get_ref()) {
                Ok(IpNet::V4(net)) => list.v4.push(net),
                Ok(IpNet::V6(net)) => list.v6.push(net),
                Err(error) => {
                    wrong = true;
                    let finding = Finding::error(text.span(), error.to_string());
                    findings.push(finding.help(error.help()));
                }
            }
        }
        if let (Some(file), Some(path)) = (file, &path) {
            wrong |= !match read(path) {
                Ok(bytes) => self.take_in(&mut list, path, bytes),
                Err(error) => {
                    let message = format!("cannot read {}: {error}", path.display());
                    findings.push(Finding::error(file.span(), message));
                    false
                }
            };
        }

        let allow_empty = typed.allow_empty.as_ref().is_some_and(|a| *a.get_ref());
        if list.v4.is_empty() && list.v6.is_empty() && !wrong && !allow_empty {
            let place = file.map_or(typed.name.span(), |file| file.span());
            let finding = Finding::error(place, format!("the list {name} is empty"));
            findings.push(finding.help("if that may be, write allow_empty = true".to_owned()));
        }
        self.lists.push(list);
    }

    /// Whether the file holds nothing but prefixes.
    fn take_in(&mut self, list: &mut PrefixList, path: &Path, bytes: Vec<u8>) -> bool {
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let (at, bytes) = (error.utf8_error(), error.as_bytes());
                self.errors.push(not_utf8(path, bytes, at));
                return false;
            }
        };
        let parsed = list_file::parse(&text);
        // Kept while the policy is in force: no more of it than is used.
        list.v4.extend_from_slice(&parsed.v4);
        list.v4.shrink_to_fit();
        list.v6.extend_from_slice(&parsed.v6);
        list.v6.shrink_to_fit();
        let clean = parsed.findings.is_empty();
        let resolved = parsed.findings.into_iter().map(|f| f.resolve(path, &text));
        self.errors.extend(resolved);
        if parsed.unshown > 0 {
            let more = Diagnostic::and_more(path, parsed.unshown, Severity::Error);
            self.errors.push(more);
        }
        self.sources.push(SourceFile {
            path: path.to_path_buf(),
            text,
        });
        clean
    }
}

fn beside(config: &Path, file: &str) -> PathBuf {
    config.parent().unwrap_or(Path::new("")).join(file)
}

fn percent(typed: &List) -> u8 {
    let percent = typed.max_shrink_percent.as_ref();
    percent.map_or(50, |p| u8::try_from(*p.get_ref()).unwrap_or(100))
}
