//! A prefix alone in what an entry of an index is for: the entry holds it, its class, and the class of
//! what is around it, so that a look-up ends there. Both prefix tables have such entries.

/// Bits of each class: what an entry of the IPv4 index has left.
const CLASS_BITS: u32 = 6;
const CLASS: u64 = (1 << CLASS_BITS) - 1;
/// Where the prefix stands: behind its class, and that of what is around it.
const PREFIX_SHIFT: u32 = 2 * CLASS_BITS;

/// How many bits a prefix and both classes take, where keys have so many.
pub const fn bits(of_key: u32) -> u32 {
    // The prefix is its own bits, then a one, then zeros.
    PREFIX_SHIFT + of_key + 1
}

/// The keys from `first` to `last`, which are of one class, and all others of another. `None` where
/// they are no prefix, and for classes that have no room. Keys have less than 63 bits.
pub const fn hold(first: u64, last: u64, inside: u16, around: u16) -> Option<u64> {
    let others = last.wrapping_sub(first);
    let is_prefix = first <= last && others & (others + 1) == 0 && first & others == 0;
    let (inside, around) = (inside as u64, around as u64);
    if !is_prefix || inside > CLASS || around > CLASS {
        return None;
    }
    let prefix = first << 1 | (others + 1);
    Some(prefix << PREFIX_SHIFT | around << CLASS_BITS | inside)
}

/// The class of a key, by what [`hold`] gave.
#[inline(always)]
pub const fn class(held: u64, key: u64) -> u16 {
    let prefix = held >> PREFIX_SHIFT;
    // From the one behind the prefix's bits on, what need not be the same.
    let free = prefix ^ prefix.wrapping_sub(1);
    let differs = key << 1 ^ prefix;
    // Without a branch: it would be mispredicted.
    let is_around = (free.wrapping_sub(differs) >> 63) as u32;
    (held >> (CLASS_BITS * is_around) & CLASS) as u16
}

#[cfg(test)]
mod tests {
    use super::{bits, class, hold};

    #[test]
    fn keys_inside_and_around_have_their_classes() {
        for length in 0..=8 {
            let size = 1_u64 << (8 - length);
            for first in (0..256).step_by(size as usize) {
                let last = first + size - 1;
                let held = hold(first, last, 63, 5).expect("a prefix");
                assert!(held < 1 << bits(8));
                for key in 0..256 {
                    let expected = if (first..=last).contains(&key) { 63 } else { 5 };
                    assert_eq!(class(held, key), expected, "{key} and {first} to {last}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_prefix_and_classes_without_room_are_not_held() {
        assert!(hold(4, 7, 63, 0).is_some());
        for (first, last) in [(3, 6), (4, 6), (6, 9), (7, 4), (1, 2)] {
            assert_eq!(hold(first, last, 0, 1), None, "{first} to {last}");
        }
        assert_eq!(hold(4, 7, 64, 0), None);
        assert_eq!(hold(4, 7, 0, 64), None);
    }
}
