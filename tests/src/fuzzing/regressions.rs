//! What fuzzing found, one described case each: bytes that once broke a promise.

/// A finding.
pub struct Regression {
    /// Name of the target.
    pub target: &'static str,
    /// What went wrong, and what was made of it.
    pub what: &'static str,
    /// What did it, as short as it goes.
    pub bytes: &'static [u8],
}

/// In the order in which they were found.
pub const REGRESSIONS: [Regression; 5] = [
    Regression {
        target: "packets",
        what: "a damaged table named a page of classes whose number passes 32 bits: it wraps now, \
            and is a page that is missing",
        bytes: b"\x02\x01\x01\x00\x0c\x00\x00\x00\x00\x00\xff\xff\xff\xff\x00\x00\x28\x6b\xee\x00\
            \x00\x00\x36\x00\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01\x08\x00\x45\x00\
            \x00\x28\x12\x34\x40\x00\x40\x06\x00\x00\x0a\x00\x00\xfa\xc0\x00\x02\x01\x9c\x40\
            \x00\x16\x00\x00\x00\x01\x00\x00\x00\x02\x50\x02\x20\x00\x00\x00\x00\x00",
    },
    Regression {
        target: "packets",
        what: "the same of a page of groups",
        bytes: b"\x03\x01\x02\x80\x0f\x00\xff\xff\xff\xff\x00\x00\x00\x00\x86\x00\x00\xff\xff\xff\
            \xff\xff\xff\xff\xff\x00\x00\x28\x6b\xee\x00\x00\x00\x36\x00\x02\x00\x00\x00\x00\
            \x02\x02\x00\x00\x00\x00\x01\x08\x00\x45\x00\x00\x28\x12\x34\x40\x00\x40\x06\x00\
            \x00\x0a\x00\x00\xfa\xc0\x00\x02\x01\x9c\x40\x00\x16\x00\x00\x00\x01\x00\x00\x00\
            \x02\x50\x02\x20\x00\x00\x00\x00\x00",
    },
    Regression {
        target: "lists",
        what: "U+009B in a line that is shown went to the terminal, which takes it for the begin \
            of an escape sequence: a dot stands for it now",
        bytes: b"2001\xc2\x9b\x80\xff",
    },
    Regression {
        target: "configs",
        what: "the same in the text of a configuration",
        bytes: b"name\xc2\x82 = \"eth0\"",
    },
    Regression {
        target: "lists",
        what: "a prefix length with leading zeros was accepted, which other programs refuse or may \
            take for octal: it is refused now, with what to write",
        bytes: b"0.0.0.0/002 # all",
    },
];
