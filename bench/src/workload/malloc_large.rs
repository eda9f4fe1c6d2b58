//! `malloc-large`: blocks of 5 to 25 MiB, twenty of them alive.
//!
//! After the description of mimalloc-bench's test of that name: an operation frees one of 20 blocks
//! and asks for another of a uniform size. There 2000 operations touch nothing; here the least that
//! can be asked for is the first 8 bytes, so that what comes back is checked. With `touch = pages`
//! the price of the pages is many times that of the calls.

use std::sync::Arc;

use super::held::TOUCH;
use super::sizes::{Uniform, max_size, min_size};
use super::{Param, Params, Workload, churn, replace};
use crate::subject::Subject;

pub(super) const PARAMS: &[Param] =
    &[churn::working_set(20), min_size(Some(5 << 20)), max_size(Some(25 << 20)), TOUCH];

pub(super) fn make<S: Subject>(params: &Params) -> Result<Arc<dyn Workload>, String> {
    replace::make::<S, _>(params, Uniform::read(params)?)
}
