//! Prefix list files: one prefix or address a line, `#` comments, blank lines. A million lines
//! are a common size.

use super::diagnostic::Finding;
use super::prefix::{PrefixError, parse_prefix};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Errors shown of one file; a file of another format has one in each line.
const SHOWN_ERRORS: usize = 20;

#[derive(Debug, Default)]
pub(super) struct ListFile {
    pub v4: Vec<Ipv4Net>,
    pub v6: Vec<Ipv6Net>,
    /// The first errors, by their places in the text.
    pub findings: Vec<Finding>,
    /// How many more there are.
    pub unshown: usize,
}

/// Reads the whole text, whatever is wrong with it. A byte order mark and CRLF are tolerated.
pub(super) fn parse(text: &str) -> ListFile {
    let mut list = ListFile::default();
    let mut offset = text.len() - text.trim_start_matches('\u{feff}').len();
    for line in text[offset..].split('\n') {
        let (entry, comment) = line.split_once('#').unwrap_or((line, ""));
        let entry = entry.trim();
        if !entry.is_empty() {
            match parse_prefix(entry) {
                Ok(IpNet::V4(net)) => list.v4.push(net),
                Ok(IpNet::V6(net)) => list.v6.push(net),
                Err(error) => {
                    let start = offset + (entry.as_ptr() as usize - line.as_ptr() as usize);
                    list.complain(wrong_entry(start, entry, &error));
                }
            }
        }
        // Where a carriage return alone was to end a line, the comment has swallowed an entry.
        let comment = comment.trim_end_matches('\r');
        if let Some(at) = comment.find('\r') {
            let start = offset + (comment.as_ptr() as usize - line.as_ptr() as usize) + at;
            let message = "a carriage return inside a comment";
            let help = "what follows it would not be read: end each line with LF or CRLF";
            let finding = Finding::error(start..start + 1, message);
            list.complain(finding.help(help.to_owned()));
        }
        offset += line.len() + 1;
    }
    list
}

/// 1-based line of the first entry that is just this prefix.
pub(super) fn line_of_prefix(text: &str, prefix: IpNet) -> Option<u32> {
    let entry = |line: &str| {
        let entry = line.split_once('#').map_or(line, |(entry, _)| entry);
        parse_prefix(entry.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}'))
    };
    let line = text
        .split('\n')
        .position(|line| entry(line) == Ok(prefix))?;
    u32::try_from(line + 1).ok()
}

impl ListFile {
    fn complain(&mut self, finding: Finding) {
        if self.findings.len() == SHOWN_ERRORS {
            self.unshown += 1;
            return;
        }
        self.findings.push(finding);
    }
}

fn wrong_entry(start: usize, entry: &str, error: &PrefixError) -> Finding {
    let help = match entry {
        "any" => Some("to mean everyone, write allow = [\"any\"] in the service".to_owned()),
        _ => error.help(),
    };
    Finding::error(start..start + entry.len(), error.to_string()).help(help)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn comments_blanks_bom_and_crlf_are_tolerated() {
        let text = "\u{feff}# partners\r\n\r\n10.0.0.0/8 # all\r\n\t2001:db8::1\r\n192.0.2.1";
        let list = parse(text);
        assert!(list.findings.is_empty());
        assert_eq!(list.v4.len(), 2);
        assert_eq!(list.v6, ["2001:db8::1/128".parse().unwrap()]);
    }

    #[test]
    fn a_carriage_return_alone_ends_no_comment_and_is_refused() {
        let text = "10.0.0.0/8\n192.0.2.1 # é\r198.51.100.0/24\r2001:db8::/32\r\n";
        let mut list = parse(text);
        assert_eq!((list.v4.len(), list.findings.len()), (2, 1));
        let said = list.findings.remove(0).resolve(Path::new("l"), text);
        assert_eq!(said.message, "a carriage return inside a comment");
        let place = said.place.unwrap();
        assert_eq!((place.line, place.column), (2, 14));

        // As files have it that were converted twice, and at the end of a last line.
        let list = parse("# a\r\r\n10.0.0.0/8 # b\r\r\n192.0.2.1\r\r\n# c\r");
        assert_eq!((list.v4.len(), list.findings.len()), (2, 0));
    }

    #[test]
    fn errors_are_capped_and_counted() {
        let list = parse(&"10.0.0.1/8\n".repeat(100));
        assert_eq!((list.findings.len(), list.unshown), (20, 80));
    }
}
