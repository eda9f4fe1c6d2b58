//! `glibc-thread`: threads that each keep a thousand blocks, most of them small.
//!
//! After the description of glibc's `bench-malloc-thread`: a working set of 1024 blocks, sizes from
//! 4 to 32,768 bytes with a likelihood that falls with the square of the size, and operations that
//! free the block at a random place and put a new one there. As there, no block changes hands.
//! Different: it counts operations, not what fits into two seconds, and sizes are drawn one by one
//! instead of beforehand.

use std::sync::Arc;

use super::held::TOUCH;
use super::sizes::{InverseSquare, max_size, min_size};
use super::{Param, Params, Workload, churn, replace};
use crate::subject::Subject;

pub(super) const PARAMS: &[Param] =
    &[churn::working_set(1024), min_size(Some(4)), max_size(Some(32_768)), TOUCH];

pub(super) fn make<S: Subject>(params: &Params) -> Result<Arc<dyn Workload>, String> {
    replace::make::<S, _>(params, InverseSquare::read(params)?)
}
