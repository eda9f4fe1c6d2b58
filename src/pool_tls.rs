//! Pool TLS: thread-local pools for blocks above Tiny, up to 52, 64 or 256 KiB.
//!
//! The factors `pool-tls` (whether it serves anything), `pool-max` (up to which size) and
//! `pool-step` (how far classes are apart) are its parameters. What it does not serve goes to Mid
//! or ACE.

use crate::class::{self, CLASS_MAX, Class, PoolTable, SMALL_MAX, Scaled, Step};
use crate::cut::Cut;

/// A pool that is `ON` and serves blocks of up to `MAX` B, in the seed's `LINEAR` steps or by
/// quarters.
pub(crate) struct PoolTls<const ON: bool, const MAX: usize, const LINEAR: bool>;

/// The seed's largest block, B: 52 KiB.
pub(crate) const MAX_52K: usize = 53248;
/// Its proposal, B: 64 KiB.
pub(crate) const MAX_64K: usize = SMALL_MAX;
/// As far as classes go, B: 256 KiB.
pub(crate) const MAX_256K: usize = CLASS_MAX;

/// Blocks from this size on are loaded before the first is asked for, where heaps are prewarmed, B.
const WARMED: usize = 8192;

static QUARTER_52K: PoolTable = class::pool_table(MAX_52K, Step::Quarter);
static QUARTER_64K: PoolTable = class::pool_table(MAX_64K, Step::Quarter);
static QUARTER_256K: PoolTable = class::pool_table(MAX_256K, Step::Quarter);
static LINEAR_52K: PoolTable = class::pool_table(MAX_52K, Step::Linear);
static LINEAR_64K: PoolTable = class::pool_table(MAX_64K, Step::Linear);
static LINEAR_256K: PoolTable = class::pool_table(MAX_256K, Step::Linear);

impl<const ON: bool, const MAX: usize, const LINEAR: bool> PoolTls<ON, MAX, LINEAR> {
    const TABLE: &'static PoolTable = match (MAX, LINEAR) {
        (MAX_52K, false) => &QUARTER_52K,
        (MAX_64K, false) => &QUARTER_64K,
        (_, false) => &QUARTER_256K,
        (MAX_52K, true) => &LINEAR_52K,
        (MAX_64K, true) => &LINEAR_64K,
        (_, true) => &LINEAR_256K,
    };

    /// Whether the pool serves `size` B above Tiny.
    #[inline(always)]
    pub(crate) const fn serves(size: usize) -> bool {
        const { assert!(MAX == MAX_52K || MAX == MAX_64K || MAX == MAX_256K) };
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
        #[expect(clippy::cast_possible_truncation, reason = "COUNT fits u8")]
        let classes = 1..class::COUNT as Class;
        classes.filter(|&class| {
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
            assert_eq!(PoolTls::<false, MAX_64K, false>::class(size), 0);
            assert_eq!(PoolTls::<true, MAX_52K, false>::class(size) != 0, size <= MAX_52K);
            assert_eq!(PoolTls::<true, MAX_52K, true>::class(size) != 0, size <= MAX_52K);
            assert_eq!(PoolTls::<true, MAX_64K, false>::class(size) != 0, size <= MAX_64K);
            assert_eq!(PoolTls::<true, MAX_64K, true>::class(size) != 0, size <= MAX_64K);
            assert_eq!(PoolTls::<true, MAX_256K, false>::class(size) != 0, size <= MAX_256K);
            assert_eq!(PoolTls::<true, MAX_256K, true>::class(size) != 0, size <= MAX_256K);
        }
    }

    /// Sizes of the classes from 8 KiB on, and of those that a prewarmed heap has loaded.
    fn classes<const MAX: usize, const LINEAR: bool>() -> [std::vec::Vec<usize>; 2] {
        let mut classes = std::vec::Vec::new();
        for size in (8 * 1024..=MAX).step_by(1024) {
            let class = PoolTls::<true, MAX, LINEAR>::class(size);
            if !classes.contains(&class::size(class)) {
                classes.push(class::size(class));
            }
        }
        [classes, PoolTls::<true, MAX, LINEAR>::warmed().map(class::size).collect()]
    }

    #[test]
    fn the_seed_has_seven_linear_classes() {
        let seven = [8192, 16384, 24576, 32768, 40960, 49152, 53248];
        assert!(classes::<MAX_52K, true>().iter().all(|classes| classes == &seven));
    }

    #[test]
    fn quarters_are_closer() {
        let twelve = [8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64].map(|size| size * 1024);
        assert!(classes::<MAX_64K, false>().iter().all(|classes| classes == &twelve));
    }
}
