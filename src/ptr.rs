//! Address arithmetic.
//!
//! Pointers keep their provenance: nothing here makes a pointer out of a number. The file knows no
//! block, class or page map.

/// Rounds `n` up to a multiple of `align`, a power of two. Wraps past `usize::MAX`; callers bound
/// `n` first.
#[inline(always)]
pub(crate) const fn align_up(n: usize, align: usize) -> usize {
    debug_assert!(align.is_power_of_two());
    n.wrapping_add(align - 1) & !(align - 1)
}

/// `n` divided by `unit`, rounded up; the result fits `u32` for every range that can be reserved.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "ranges are below 2^32 units")]
pub(crate) const fn units(n: usize, unit: usize) -> u32 {
    n.div_ceil(unit) as u32
}

/// As [`units`], for sizes that nobody has bounded yet: `None` beyond 2^26 units, which no range
/// has.
pub(crate) fn bounded_units(n: usize, unit: usize) -> Option<u32> {
    u32::try_from(n.div_ceil(unit)).ok().filter(|&count| count <= 1 << 26)
}

/// Bytes from `base` to `p`, wrapping: a pointer below `base` yields a number larger than any
/// range.
#[inline(always)]
pub(crate) fn distance(p: *const u8, base: *const u8) -> usize {
    p.addr().wrapping_sub(base.addr())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding() {
        assert_eq!(align_up(0, 16), 0);
        assert_eq!(align_up(1, 16), 16);
        assert_eq!(align_up(4096, 4096), 4096);
        assert_eq!(units(1, 65536), 1);
        assert_eq!(units(65537, 65536), 2);
        assert_eq!(bounded_units(65537, 65536), Some(2));
        assert_eq!(bounded_units(1 << 60, 2 << 20), None);
        assert_eq!(bounded_units(usize::MAX, 1), None);
    }

    #[test]
    fn a_pointer_below_the_base_is_far_away() {
        let block = [0u8; 4];
        let base = &raw const block[2];
        assert!(distance(&raw const block[0], base) > usize::MAX / 2);
        assert_eq!(distance(&raw const block[3], base), 1);
    }
}
