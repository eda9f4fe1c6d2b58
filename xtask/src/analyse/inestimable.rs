//! Effects that can't be estimated: those that the design lacks the variants for, and those that
//! need a variant which was not OK. They are named; nothing is filled in for what is missing.

use crate::plan::{MetricKind, Plan};

use super::findings::Inestimable;
use super::survey::{Asked, Survey};

/// One entry for every effect and cell, whatever the metric.
pub(super) fn inestimable(plan: &Plan, survey: &Survey<'_>) -> Vec<Inestimable> {
    let by_design = plan.design.lost.iter().map(|lost| Inestimable {
        workload: None,
        contrast: lost.name.clone(),
        why: lost.why.clone(),
        variants: Vec::new(),
    });
    let mut found: Vec<Inestimable> = by_design.collect();
    let effects = survey.asked.iter().filter(|asked| !asked.contrast.factors.is_empty());
    for entry in effects.filter_map(|asked| crashed(plan, survey, asked)) {
        if !found.contains(&entry) {
            found.push(entry);
        }
    }
    found
}

fn crashed(plan: &Plan, survey: &Survey<'_>, asked: &Asked<'_>) -> Option<Inestimable> {
    // Counts are read from the launches that were OK; times are not.
    if asked.metric.kind != MetricKind::Time || !asked.answer.crashed {
        return None;
    }
    let contrast = asked.contrast;
    let cell = plan.cells.iter().position(|cell| cell.workload == contrast.workload)?;
    let failed = |name: &&String| {
        let place = plan.variants.iter().position(|variant| variant.name == **name);
        place.is_some_and(|place| survey.cells[cell].failed(place))
    };
    let names = contrast.weights.iter().map(|(name, _)| name);
    Some(Inestimable {
        workload: Some(contrast.workload.clone()),
        contrast: contrast.name.clone(),
        why: "variants that it needs were not OK in every launch".to_owned(),
        variants: names.filter(failed).cloned().collect(),
    })
}
