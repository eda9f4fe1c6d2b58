//! `mid-large-mt`: blocks of 8 to 34 KiB, the seed's benchmark.
//!
//! The loop of [`super::churn`] with the seed's sizes: 8, 16 or 32 KiB by `r % 3`, plus the lower
//! 11 bits of the same `r` that picked the slot. So in a working set of 2048 a slot's size is fixed
//! but for the power of two, as it was in the seed, and `r` is drawn as it was there. `min-size`
//! and `max-size` replace the formula by a uniform draw.

use std::sync::Arc;

use super::churn::{self, Pick, Source};
use super::held::TOUCH;
use super::sizes::{max_size, min_size};
use super::{Param, Params, Workload};
use crate::random::{Remainder, Xorshift32, hidden};
use crate::subject::Subject;

pub(super) const PARAMS: &[Param] =
    &[churn::working_set(2048), min_size(None), max_size(None), TOUCH];

pub(super) fn make<S: Subject>(params: &Params) -> Result<Arc<dyn Workload>, String> {
    match (params.number("min-size"), params.number("max-size")) {
        (None, None) => churn::make::<S, _>(params, SeedSizes::new()),
        _ => churn::uniform::<S>(params),
    }
}

/// The seed's formula.
#[derive(Clone, Copy)]
pub(super) struct SeedSizes {
    /// A third of 2^64, rounded up.
    third: u64,
}

impl SeedSizes {
    /// No size is less, bytes.
    pub(super) const LEAST: u32 = 1 << 13;

    pub(super) fn new() -> Self {
        Self { third: hidden((u64::MAX / 3) + 1) }
    }

    /// The size that goes with `r`, bytes.
    #[inline(always)]
    pub(super) fn size(self, r: u32) -> u32 {
        // As a fraction of 2^64 this is the remainder's thirds, and less than 2^-31 more: for every
        // `r` its first two bits are `r % 3`.
        let thirds = self.third.wrapping_mul(r.into());
        (Self::LEAST << (thirds >> 62)) + (r & 0x7ff)
    }
}

// SAFETY: a remainder is below what it was divided by, and no size is below `LEAST`.
unsafe impl Source for SeedSizes {
    type Random = Xorshift32;
    type Drawn = u32;
    const LEAST: u32 = Self::LEAST;

    #[inline(always)]
    fn pick(&self, places: Remainder, random: &mut Xorshift32) -> Pick<u32> {
        let r = random.draw();
        Pick { place: places.of(r), number: r, drawn: r }
    }

    #[inline(always)]
    fn obtain<S: Subject>(&self, r: u32, size: &mut u32) -> *mut u8 {
        *size = self.size(r);
        S::malloc(*size as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Generator;

    #[test]
    fn sizes_are_the_seeds() {
        let sizes = SeedSizes::new();
        let mut random = Xorshift32::for_lane(1, 0);
        let edges = [0, 1, 2, 3, 4, 5, u32::MAX - 2, u32::MAX - 1, u32::MAX];
        for r in edges.into_iter().chain((0..10_000).map(|_| random.draw())) {
            assert_eq!(sizes.size(r), (1 << (13 + r % 3)) + (r & 0x7ff), "{r}");
        }
    }
}
