//! The page itself: three files made into one, and the policy that lets nothing else run.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use std::sync::LazyLock;

const FRAME: &str = include_str!("document/page.html");
const STYLE: &str = include_str!("document/page.css");
/// In the order in which they are read: one scope, so later ones see earlier ones.
const SCRIPTS: [&str; 3] = [
    include_str!("document/words.js"),
    include_str!("document/draw.js"),
    include_str!("document/poll.js"),
];

/// What is sent for `/`.
pub struct Document {
    /// All of it.
    pub html: String,
    /// The header `Content-Security-Policy`.
    pub policy: String,
}

/// Made once: nothing in it depends on who asks.
pub static DOCUMENT: LazyLock<Document> = LazyLock::new(|| {
    let script = format!("\"use strict\";\n{}", SCRIPTS.concat());
    let html = FRAME
        .replace("/* style */", STYLE)
        .replace("/* script */", &script);
    let style = hash(STYLE);
    let script = hash(&script);
    Document {
        html,
        policy: format!(
            "default-src 'none'; style-src {style}; script-src {script}; img-src data:; \
             connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
             require-trusted-types-for 'script'; trusted-types 'none'"
        ),
    }
});

/// As a source of the policy (CSP level 3, section 2.3.1).
fn hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_comes_from_elsewhere_and_all_parts_are_inside() {
        let html = &DOCUMENT.html;
        for part in [STYLE, SCRIPTS[0], SCRIPTS[1], SCRIPTS[2]] {
            assert!(html.contains(part));
        }
        let inside = html.replace("http://www.w3.org/2000/svg", "");
        for link in ["http:", "https:", "//cdn", "@import", "url(", " src="] {
            assert!(!inside.contains(link), "{link}");
        }
        for never in [
            "innerHTML",
            "outerHTML",
            "document.write",
            "eval(",
            "style=",
        ] {
            assert!(!html.contains(never), "{never}");
        }
        assert_eq!(html.matches("<script>").count(), 1);
        assert_eq!(html.matches("</script>").count(), 1);
    }

    #[test]
    fn the_policy_names_what_is_inside() {
        let html = &DOCUMENT.html;
        let between = |start: &str, end: &str| {
            let (_, rest) = html.split_once(start).unwrap();
            rest.split_once(end).unwrap().0
        };
        for inside in [
            between("<style>", "</style>"),
            between("<script>", "</script>"),
        ] {
            assert!(DOCUMENT.policy.contains(&hash(inside)));
        }
        assert!(!DOCUMENT.policy.contains("unsafe"));
    }
}
