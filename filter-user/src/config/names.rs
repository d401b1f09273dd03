//! Names: how they are spelled, what was meant by a wrong one, and how text from a file is shown.

/// The known name that a typist could have meant.
pub(super) fn nearest<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Longer ones are no typing errors, and the distance costs the product of the lengths.
    if wrong.len() > 64 {
        return None;
    }
    let wrong = wrong.to_ascii_lowercase().replace('-', "_");
    let distance = |name: &str| {
        let name = name.to_ascii_lowercase().replace('-', "_");
        strsim::damerau_levenshtein(&wrong, &name)
    };
    let (distance, name) = known
        .map(|name| (distance(name), name))
        .min_by_key(|(distance, _)| *distance)?;
    let tolerated = (wrong.chars().count() / 3).max(1);
    (distance <= tolerated).then_some(name)
}

/// Text from a file in quotes: nothing that a terminal would obey, and not endless.
pub(super) fn quoted(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("\"{}…\"", text[..end].escape_debug()),
        None => format!("\"{}\"", text.escape_debug()),
    }
}

/// What is wrong with the name of a service.
pub(super) fn complaint_about_service(name: &str) -> Option<&'static str> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    let fits = (1..=63).contains(&name.len()) && name.bytes().all(plain);
    (!fits).then_some("1 to 63 of a-z, 0-9, _ and -")
}

/// What is wrong with the name of a prefix list.
pub(super) fn complaint_about_list(name: &str) -> Option<&'static str> {
    if name.eq_ignore_ascii_case("any") {
        return Some("\"any\" means everyone; choose another name");
    }
    // No dot, colon or slash: those make a reference an address or prefix.
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    let fits = (1..=63).contains(&name.len()) && name.bytes().all(plain);
    (!fits).then_some("1 to 63 of a-z, A-Z, 0-9, _ and -")
}

/// What is wrong with the name of an interface (`dev_valid_name` in the kernel's net/core/dev.c).
pub(super) fn complaint_about_interface(name: &str) -> Option<&'static str> {
    if name.is_empty() || name.len() > 15 {
        return Some("1 to 15 bytes");
    }
    let foreign = |c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control();
    if name == "." || name == ".." || name.contains(foreign) {
        return Some("no slash, colon, whitespace or control character");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_near() {
        let known = ["connections_per_second", "burst", "packet_burst"];
        let near = |wrong| nearest(wrong, known.into_iter());
        assert_eq!(near("conections_per_second"), Some(known[0]));
        assert_eq!(near("Burst"), Some("burst"));
        assert_eq!(near("packet-burst"), Some("packet_burst"));
        assert_eq!(near("colour"), None);
        assert_eq!(near(&"b".repeat(1000)), None);
    }

    #[test]
    fn quoted_text_is_harmless() {
        assert_eq!(quoted("a\u{1b}[31mb"), "\"a\\u{1b}[31mb\"");
        assert_eq!(quoted(&"x".repeat(100)).chars().count(), 63);
    }
}
