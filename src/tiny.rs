//! Tiny: blocks of up to 1 KiB, without headers. The page map tells their class.

pub(crate) use crate::class::TINY_MAX as MAX;
use crate::class::{self, Class, Scaled};

/// Class for `size` ≤ [`MAX`] B.
#[inline(always)]
pub(crate) fn scaled(size: usize) -> Scaled {
    class::tiny(size)
}

/// Class for `size` ≤ [`MAX`] B on a multiple of `align`, a power of two; 0 if none fits.
pub(crate) fn aligned_class(size: usize, align: usize) -> Class {
    class::aligned(scaled(size).class(), align, MAX, class::size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alignments_up_to_the_largest_block_are_served() {
        for shift in 4..=10 {
            let align = 1 << shift;
            for size in [0, 1, align, MAX] {
                let class = aligned_class(size, align);
                assert!(class::size(class) >= size && class::size(class).is_multiple_of(align));
            }
        }
        assert_eq!(aligned_class(1, 2048), 0);
    }
}
