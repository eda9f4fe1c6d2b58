//! z of every launch, for a reader who wants to see the launches themselves.
//!
//! The same numbers that the verdicts rest on, in the order of launches, placebo included.

use crate::plan::Plan;
use crate::run::Launch;

use super::survey::survey;

/// One contrast, launch by launch.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// Cell.
    pub workload: String,
    /// Metric.
    pub metric: String,
    /// The contrast's name.
    pub contrast: String,
    /// Ratio minus one of every launch (launches that shared a layout count once); infinite where
    /// the baseline's count was 0.
    pub effects: Vec<f64>,
}

/// The traces of all contrasts that can be estimated.
#[must_use]
pub fn traces(plan: &Plan, launches: &[Launch]) -> Vec<Trace> {
    let survey = survey(plan, launches, |_| true);
    let estimable = survey.asked.iter().filter(|asked| asked.answer.test.is_some());
    estimable
        .map(|asked| Trace {
            workload: asked.contrast.workload.clone(),
            metric: asked.contrast.metric.clone(),
            contrast: asked.contrast.name.clone(),
            effects: asked.answer.z.iter().map(|z| z.exp_m1()).collect(),
        })
        .collect()
}
