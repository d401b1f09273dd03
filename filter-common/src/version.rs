//! The number of the layout that kernel and daemon share.

/// Goes into the pin path. Any change of a shared type, of a map's shape or of a meaning bumps
/// it in the same commit; `layout.rs` fails to compile when sizes move unnoticed.
pub const ABI_VERSION: u32 = if cfg!(feature = "next-abi") {
    CURRENT + 1
} else {
    CURRENT
};

/// A build with the feature `next-abi` calls itself the next one, to test upgrades with.
const CURRENT: u32 = 6;
