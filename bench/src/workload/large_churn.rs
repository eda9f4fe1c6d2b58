//! `large-churn`: blocks of 64 KiB to 2 MiB.
//!
//! The loop of [`super::churn`] on few slots; each of the five doublings is as likely as the
//! others. Such blocks lie between what allocators cache in each thread and what they map one by
//! one, and most of what they cost is what becomes of their pages. Described for this project; no
//! other benchmark has it in this form.

use std::sync::Arc;

use super::churn::{self, Fresh};
use super::held::TOUCH;
use super::sizes::Doublings;
use super::{Param, Params, Workload};
use crate::subject::Subject;

pub(super) const PARAMS: &[Param] = &[churn::working_set(32), TOUCH];

const LARGE: Doublings<{ 64 << 10 }, 5> = Doublings;

pub(super) fn make<S: Subject>(params: &Params) -> Result<Arc<dyn Workload>, String> {
    churn::make::<S, _>(params, Fresh::any(LARGE))
}
