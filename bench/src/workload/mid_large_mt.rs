//! `mid-large-mt`: blocks of 8 to 34 KiB, the seed's benchmark.
//!
//! The loop of [`super::churn`] with the seed's sizes: 8, 16 or 32 KiB by `r % 3`, plus the lower
//! 11 bits of the same `r` that picked the slot. So in a working set of 2048 a slot's size is fixed
//! but for the power of two, as it was in the seed. `min-size` and `max-size` replace the formula
//! by a uniform draw.

use std::sync::Arc;

use super::churn::{self, Source};
use super::held::TOUCH;
use super::sizes::{Uniform, max_size, min_size};
use super::{Param, Params, Workload};
use crate::random::Xorshift32;
use crate::subject::Subject;

pub(super) const PARAMS: &[Param] =
    &[churn::working_set(2048), min_size(None), max_size(None), TOUCH];

pub(super) fn make<S: Subject>(params: &Params) -> Result<Arc<dyn Workload>, String> {
    match (params.number("min-size"), params.number("max-size")) {
        (None, None) => churn::make::<S, _>(params, SeedSizes),
        _ => churn::make::<S, _>(params, Uniform::read(params)?),
    }
}

/// The seed's formula.
#[derive(Clone, Copy)]
pub(super) struct SeedSizes;

impl SeedSizes {
    /// The size that goes with `r`, bytes.
    #[inline(always)]
    pub(super) fn size(self, r: u32) -> u32 {
        (1 << (13 + r % 3)) + (r & 0x7ff)
    }
}

impl Source for SeedSizes {
    #[inline(always)]
    fn obtain<S: Subject>(&self, r: u32, _random: &mut Xorshift32) -> (u32, *mut u8) {
        let size = self.size(r);
        (size, S::malloc(size as usize))
    }
}
