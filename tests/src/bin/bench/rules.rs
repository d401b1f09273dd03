//! The same policy for nftables and ipset.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::lists::List;

/// A table `edge` of family `inet` with sets of the prefixes; overlapping ones are merged.
pub fn nft_sets(list: &List) -> String {
    let v6 = list
        .v6
        .iter()
        .map(|(upper, length)| format!("{}/{length}", v6(*upper)));
    format!(
        "table inet edge {{\n{}{}}}\n",
        nft_set("listed4", "ipv4_addr", &v4_prefixes(list)),
        nft_set("listed6", "ipv6_addr", &v6.collect::<Vec<_>>()),
    )
}

/// Its IPv4 prefixes as nftables reads them.
pub fn v4_prefixes(list: &List) -> Vec<String> {
    let prefixes = list.v4.iter();
    prefixes
        .map(|(address, length)| format!("{}/{length}", Ipv4Addr::from(*address)))
        .collect()
}

/// One set.
pub fn nft_set(name: &str, kind: &str, elements: &[String]) -> String {
    let elements = match elements.is_empty() {
        true => String::new(),
        false => format!("elements = {{ {} }}\n", elements.join(",\n")),
    };
    format!("set {name} {{ type {kind}; flags interval; auto-merge\n{elements}}}\n")
}

/// The same for `ipset restore`.
pub fn ipsets(list: &List) -> String {
    let most = list.v4.len().max(list.v6.len()).max(1024);
    let mut text = format!(
        "create listed4 hash:net family inet maxelem {most}\n\
         create listed6 hash:net family inet6 maxelem {most}\n"
    );
    for (address, length) in &list.v4 {
        let _ = writeln!(text, "add listed4 {}/{length}", Ipv4Addr::from(*address));
    }
    for (upper, length) in &list.v6 {
        let _ = writeln!(text, "add listed6 {}/{length}", v6(*upper));
    }
    text
}

fn v6(upper: u64) -> Ipv6Addr {
    Ipv6Addr::from(u128::from(upper) << 64)
}

#[cfg(test)]
mod tests {
    use super::{ipsets, nft_set, nft_sets};
    use crate::lists::List;

    #[test]
    fn sets_of_both_families_are_written_as_their_programs_read_them() {
        let list = List {
            v4: vec![(0xc633_6400, 24)],
            v6: vec![(0x2001_0db8_0000_0000, 32)],
        };
        let nft = nft_sets(&list);
        assert!(nft.contains("elements = { 198.51.100.0/24 }"), "{nft}");
        assert!(nft.contains("elements = { 2001:db8::/32 }"), "{nft}");
        let ipset = ipsets(&list);
        assert!(ipset.contains("\nadd listed4 198.51.100.0/24\n"), "{ipset}");
        assert!(ipset.contains("\nadd listed6 2001:db8::/32\n"), "{ipset}");
    }

    #[test]
    fn an_empty_set_has_no_elements() {
        assert!(!nft_set("listed4", "ipv4_addr", &[]).contains("elements"));
    }
}
