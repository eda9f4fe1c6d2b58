//! `random-mixed`: small blocks of uniform sizes, in one thread or several.
//!
//! The loop of [`super::churn`] with sizes from 16 to 1024 bytes unless told otherwise. Threads
//! share nothing: no block is freed by another thread than the one that asked for it.

use std::sync::Arc;

use super::churn;
use super::held::TOUCH;
use super::sizes::{max_size, min_size};
use super::{Param, Params, Workload};
use crate::subject::Subject;

pub(super) const PARAMS: &[Param] =
    &[churn::working_set(4096), min_size(Some(16)), max_size(Some(1024)), TOUCH];

pub(super) fn make<S: Subject>(params: &Params) -> Result<Arc<dyn Workload>, String> {
    churn::uniform::<S>(params)
}
