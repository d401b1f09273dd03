//! Where the sources say something: the only lists to be kept when a new way of saying it comes up.

/// Macros that say what their first text says; of the log only what is amiss.
pub const SAYING: [&str; 6] = ["anyhow", "bail", "ensure", "eprintln", "error", "warn"];
/// Functions whose last argument is said, or the one before where it is the fix.
pub const FUNCTIONS: [(&str, &str, usize); 8] = [
    ("Finding", "error", 1),
    ("Finding", "warning", 1),
    ("Finding", "note", 1),
    ("Finding", "new", 2),
    ("Refusal", "new", 1),
    ("", "missing", 0),
    ("", "refused", 1),
    ("", "usage", 0),
];
/// Variables and fields of these names hold what is said, wherever it is.
pub const NAMES: [&str; 5] = ["end", "message", "notice", "problem", "what"];
/// Types that are said by their `Display`.
pub const DISPLAYED: [&str; 3] = ["Finding", "Reason", "Shrunk"];
/// Calls whose arguments are said: what is wrong with an argument, why the daemon refuses.
pub const REFUSING: [&str; 9] = [
    "Err",
    "context",
    "damaged",
    "map_err",
    "nothing",
    "ok_or",
    "ok_or_else",
    "refuse",
    "with_context",
];
/// Functions all of whose texts are said.
pub const WORDING: [(&str, &str); 8] = [
    ("commands/explain.rs", "which"),
    ("daemon/apply.rs", "pending_words"),
    ("daemon/interfaces.rs", "release"),
    ("daemon/reload.rs", "not_filtered"),
    ("daemon/reload.rs", "report_restart"),
    ("kernel/attach.rs", "explain"),
    ("kernel/environment.rs", "kernel_version"),
    ("panic.rs", "line"),
];
/// Constants that are said.
pub const CONSTANTS: [&str; 3] = ["ALWAYS", "BY_PORT", "MISSING"];
/// Constructors of errors that stand in such a call and tell what was being done, not what is said.
pub const DOING: [&str; 4] = ["fail", "file", "map", "missing"];
