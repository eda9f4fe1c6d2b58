//! Pool TLS: thread-local pools for blocks above Tiny, up to 52, 64 or 256 KiB.
//!
//! The factors `pool-tls` (whether it serves anything), `pool-max` (up to which size) and
//! `pool-step` (how far classes are apart) are its parameters. What it does not serve goes to Mid
//! or ACE.

use crate::class::{self, CLASS_MAX, Class, PoolTable, SMALL_MAX, Scaled, Step};
use crate::cut::Cut;

/// A pool that is `ON` and serves blocks of up to `MAX` B, in steps of `STEP`.
pub(crate) struct PoolTls<const ON: bool, const MAX: usize, const STEP: u32>;

/// [`Step::Eighth`].
pub(crate) const EIGHTH: u32 = 8;
/// [`Step::Quarter`].
pub(crate) const QUARTER: u32 = 4;
/// [`Step::Linear`].
pub(crate) const LINEAR: u32 = 1;

/// The seed's largest block, B: 52 KiB.
pub(crate) const MAX_52K: usize = 53248;
/// Its proposal, B: 64 KiB.
pub(crate) const MAX_64K: usize = SMALL_MAX;
/// As far as classes go, B: 256 KiB.
pub(crate) const MAX_256K: usize = CLASS_MAX;

/// Blocks from this size on are loaded before the first is asked for, where heaps are prewarmed, B.
const WARMED: usize = 8192;

impl<const ON: bool, const MAX: usize, const STEP: u32> PoolTls<ON, MAX, STEP> {
    const TABLE: &'static PoolTable = &class::pool_table(
        MAX,
        match STEP {
            EIGHTH => Step::Eighth,
            QUARTER => Step::Quarter,
            _ => Step::Linear,
        },
    );

    /// Whether the pool serves `size` B above Tiny.
    #[inline(always)]
    pub(crate) const fn serves(size: usize) -> bool {
        const { assert!(MAX == MAX_52K || MAX == MAX_64K || MAX == MAX_256K) };
        const { assert!(STEP == EIGHTH || STEP == QUARTER || STEP == LINEAR) };
        ON && size <= MAX
    }

    /// Class for `size` B above Tiny, which the pool serves.
    #[inline(always)]
    pub(crate) fn scaled(size: usize) -> Scaled {
        class::pooled(Self::TABLE, size)
    }

    /// Class for `size` B above Tiny; 0 when the pool does not serve it.
    pub(crate) fn class(size: usize) -> Class {
        if Self::serves(size) { Self::scaled(size).class() } else { 0 }
    }

    /// Class for `size` B on a multiple of `align`, a power of two, of blocks that are cut as `C`
    /// says; 0 when not served.
    pub(crate) fn aligned_class<C: Cut>(size: usize, align: usize) -> Class {
        match Self::class(size) {
            0 => 0,
            class => C::aligned(class, align, MAX),
        }
    }

    /// The classes that a prewarmed heap has loaded: those of 8 KiB and more.
    pub(crate) fn warmed() -> impl Iterator<Item = Class> {
        class::all().filter(|&class| {
            class::size(class) >= WARMED && Self::class(class::size(class)) == class
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_serves_its_range() {
        for size in (1025..=270_000).step_by(7) {
            assert_eq!(PoolTls::<false, MAX_64K, EIGHTH>::class(size), 0);
            assert_eq!(serves::<EIGHTH>(size), [MAX_52K, MAX_64K, MAX_256K].map(|max| size <= max));
            assert_eq!(serves::<EIGHTH>(size), serves::<QUARTER>(size));
            assert_eq!(serves::<EIGHTH>(size), serves::<LINEAR>(size));
        }
    }

    /// Whether the pools up to 52, 64 and 256 KiB serve `size`.
    fn serves<const STEP: u32>(size: usize) -> [bool; 3] {
        [
            PoolTls::<true, MAX_52K, STEP>::class(size) != 0,
            PoolTls::<true, MAX_64K, STEP>::class(size) != 0,
            PoolTls::<true, MAX_256K, STEP>::class(size) != 0,
        ]
    }

    /// Sizes of the classes from 8 KiB on, and of those that a prewarmed heap has loaded.
    fn classes<const MAX: usize, const STEP: u32>() -> [std::vec::Vec<usize>; 2] {
        let mut classes = std::vec::Vec::new();
        for size in (8 * 1024..=MAX).step_by(1024) {
            let class = PoolTls::<true, MAX, STEP>::class(size);
            if !classes.contains(&class::size(class)) {
                classes.push(class::size(class));
            }
        }
        [classes, PoolTls::<true, MAX, STEP>::warmed().map(class::size).collect()]
    }

    #[test]
    fn the_seed_has_seven_linear_classes() {
        let seven = [8192, 16384, 24576, 32768, 40960, 49152, 53248];
        assert!(classes::<MAX_52K, LINEAR>().iter().all(|classes| classes == &seven));
    }

    #[test]
    fn quarters_and_the_first_eighth_behind_a_power_of_two() {
        let closer = [8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64].map(|size| size * 1024);
        assert!(classes::<MAX_64K, QUARTER>().iter().all(|classes| classes == &closer));
        let sizes = [1032, 1300, 1800, 4368, 5000, 9000];
        let of = |class: fn(usize) -> Class| sizes.map(|size| class::size(class(size)));
        let eighth = of(PoolTls::<true, MAX_64K, EIGHTH>::class);
        assert_eq!(eighth, [1152, 1408, 1920, 4608, 5120, 10240]);
        let quarter = of(PoolTls::<true, MAX_64K, QUARTER>::class);
        assert_eq!(quarter, [1152, 1536, 2048, 4608, 5120, 10240]);
        let linear = of(PoolTls::<true, MAX_64K, LINEAR>::class);
        assert_eq!(linear, [1280, 1536, 2048, 5120, 5120, 16384]);
    }
}
